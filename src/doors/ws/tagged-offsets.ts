import { BrokerError } from '../../broker/errors.js';
import { type ConsumerHandle, SettleOutcome } from '../../broker/ports.js';
import type { SettleCommand } from './commands.js';
import { TagTable } from './tag-table.js';

/** The unsettled deliveries of one subscription, and their settling: all that a request names, or nothing. */
export class TaggedOffsets {
  private readonly subscription: number;
  private readonly tags = new TagTable();

  constructor(subscription: number) {
    this.subscription = subscription;
  }

  /** Number of unsettled deliveries. */
  get size(): number {
    return this.tags.size;
  }

  /** Notes a delivery and returns its tag. */
  add(partition: number, offset: number): number {
    return this.tags.add(partition, offset);
  }

  /** A tag for a delivery that is settled already. */
  skip(): number {
    const tag = this.tags.add(0, 0);
    this.tags.take(tag, tag, () => undefined);
    return tag;
  }

  /** Settles what the command names. `done` runs when the outcome is durable. @throws BrokerError `not-found`; then nothing was settled. */
  settle(
    command: SettleCommand,
    handle: Pick<ConsumerHandle, 'settle'> | undefined,
    done: ((error?: BrokerError) => void) | undefined,
  ): void {
    settleAll(this.take(command), command.outcome, handle, done);
  }

  /** Takes what the command names out of the unsettled ones: offsets by partition. @throws BrokerError `not-found`; then nothing was taken. */
  take({ ranges, upToTag, skipSettled }: SettleCommand): ReadonlyMap<number, readonly number[]> {
    if (!skipSettled) this.check(ranges, upToTag);
    const taken = new Map<number, number[]>();
    const note = (partition: number, offset: number): void => {
      const offsets = taken.get(partition);
      if (offsets === undefined) taken.set(partition, [offset]);
      else offsets.push(offset);
    };
    if (upToTag > 0) this.tags.take(1, upToTag, note);
    for (let index = 0; index < ranges.length; index += 2) this.tags.take(ranges[index]!, ranges[index + 1]!, note);
    return taken;
  }

  /** Returns to the queue what was sent behind `received`, up to `sent`: it did not arrive. */
  returnLost(received: number, sent: number, handle: Pick<ConsumerHandle, 'settle'> | undefined): void {
    if (sent <= received) return;
    const lost = new Map<number, number[]>();
    this.tags.take(received + 1, sent, (partition, offset) => {
      const offsets = lost.get(partition);
      if (offsets === undefined) lost.set(partition, [offset]);
      else offsets.push(offset);
    });
    settleAll(lost, SettleOutcome.requeue, handle, undefined);
  }

  /** The tag that was given last; 0 = none yet. */
  get last(): number {
    return this.tags.next - 1;
  }

  private check(ranges: readonly number[], upToTag: number): void {
    if (upToTag >= this.tags.next) throw this.unknown(upToTag, upToTag);
    for (let index = 0; index < ranges.length; index += 2) {
      const first = ranges[index]!;
      const last = ranges[index + 1]!;
      if (this.tags.count(first, last) !== last - first + 1) throw this.unknown(first, last);
    }
  }

  private unknown(first: number, last: number): BrokerError {
    const tags = first === last ? `Tag ${first}` : `One of the tags ${first} to ${last}`;
    return new BrokerError(
      'not-found',
      `${tags} of subscription ${this.subscription} is not unsettled: nothing was settled by this request`,
    );
  }
}

function settleAll(
  settled: ReadonlyMap<number, readonly number[]>,
  outcome: SettleOutcome,
  handle: Pick<ConsumerHandle, 'settle'> | undefined,
  done: ((error?: BrokerError) => void) | undefined,
): void {
  if (done === undefined) {
    for (const [partition, offsets] of settled) handle?.settle(partition, offsets, outcome);
    return;
  }
  let left = settled.size;
  let failure: BrokerError | undefined;
  const settledOne = (error?: BrokerError): void => {
    failure ??= error;
    if (--left === 0) done(failure);
  };
  if (left === 0) done();
  for (const [partition, offsets] of settled) handle?.settle(partition, offsets, outcome, settledOne);
}
