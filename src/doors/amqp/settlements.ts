import type { ConsumerHandle, PollHandle } from '../../broker/ports.js';
import { SettleOutcome } from '../../broker/ports.js';
import type { ChannelFigures } from './channel-report.js';
import type { AmqpCounters } from './counters.js';
import { DeliveryTable } from './delivery-table.js';
import { AmqpError } from './errors.js';
import { SETTLE_BATCH } from './limits.js';
import type { MethodId } from './methods.js';

/** One delivery that is neither settled nor back. */
export interface HeldDelivery {
  readonly tag: number;
  readonly source: number;
  readonly partition: number;
  readonly offset: number;
}

/** What a source of deliveries is. */
export type SourceKind = 'consumer' | 'stream' | 'poll';

/** Where deliveries of a channel come from: a consumer or a queue that it asks for single messages. Gathers settlements of one turn. */
export class DeliverySource {
  /** Set once the broker has given it. */
  handle: ConsumerHandle | PollHandle;
  /** Number by which the delivery table knows it. */
  readonly index: number;
  /** Deliveries that are not settled. */
  unsettled = 0;
  /** Its messages stay where they are: settling one makes room for another. */
  readonly isStream: boolean;
  /** Its messages were asked for one by one: RabbitMQ does not count them against the channel's prefetch. */
  readonly isPolled: boolean;
  /** Gets no more deliveries; to be released with the last settlement. */
  isEnding = false;
  /** Called when settlements have been handed to the broker: there is room for more. */
  onSettled: (() => void) | undefined;
  private offsets: number[] = [];
  private partition = 0;
  private outcome: SettleOutcome = SettleOutcome.acknowledge;

  constructor(handle: ConsumerHandle | PollHandle, index: number, kind: SourceKind) {
    this.handle = handle;
    this.isStream = kind === 'stream';
    this.isPolled = kind === 'poll';
    this.index = index;
  }

  /** Whether settlements wait for `send`. */
  get isDirty(): boolean {
    return this.offsets.length > 0;
  }

  settle(partition: number, offset: number, outcome: SettleOutcome): void {
    if (partition !== this.partition || outcome !== this.outcome || this.offsets.length >= SETTLE_BATCH) this.send();
    this.partition = partition;
    this.outcome = outcome;
    this.offsets.push(offset);
    this.unsettled--;
  }

  /** Hands the gathered settlements to the broker. */
  send(): void {
    if (this.offsets.length === 0) return;
    const { offsets } = this;
    // A new list: the broker may keep the old one.
    this.offsets = [];
    this.handle.settle(this.partition, offsets, this.outcome);
  }
}

/** Takes settlements instead of the broker while a transaction is open. */
export type SettleTap = (delivery: HeldDelivery, outcome: SettleOutcome) => void;

/** The unacknowledged deliveries of one channel, and what becomes of them. */
export class Settlements {
  readonly table = new DeliveryTable();
  /** Set while the channel is transactional. */
  tap: SettleTap | undefined;
  private readonly sources: (DeliverySource | undefined)[] = [];
  private readonly free: number[] = [];
  private dirty: DeliverySource[] = [];
  private readonly counters: AmqpCounters;
  private readonly figures: ChannelFigures;
  private outcome: SettleOutcome = SettleOutcome.acknowledge;
  private readonly visit = (source: number, partition: number, offset: number, tag: number): void => {
    if (this.tap !== undefined) this.tap({ tag, source, partition, offset }, this.outcome);
    else this.settle(source, partition, offset, this.outcome);
  };

  constructor(counters: AmqpCounters, figures: ChannelFigures) {
    this.counters = counters;
    this.figures = figures;
  }

  /** Opens a source of deliveries. */
  open(handle: ConsumerHandle | PollHandle, kind: SourceKind = 'consumer'): DeliverySource {
    const index = this.free.pop() ?? this.sources.length;
    const source = new DeliverySource(handle, index, kind);
    this.sources[index] = source;
    return source;
  }

  /** Deliveries that count against the channel's prefetch. */
  get consumed(): number {
    let count = 0;
    for (const source of this.sources) if (source !== undefined && !source.isPolled) count += source.unsettled;
    return count;
  }

  /** The source with this number. */
  source(index: number): DeliverySource | undefined {
    return this.sources[index];
  }

  /** Notes a delivery that wants to be settled. */
  add(tag: number, source: DeliverySource, partition: number, offset: number): void {
    source.unsettled++;
    this.table.add(tag, source.index, partition, offset);
  }

  /** Lets a source go once everything from it is settled. */
  end(source: DeliverySource): void {
    source.isEnding = true;
    if (source.unsettled === 0) this.release(source);
  }

  private release(source: DeliverySource): void {
    if (this.sources[source.index] !== source) return;
    source.send();
    source.handle.cancel();
    this.sources[source.index] = undefined;
    this.free.push(source.index);
  }

  /** basic.ack, nack and reject. @throws AmqpError `precondition-failed` for a tag that is unknown, as RabbitMQ does. */
  take(tag: number, multiple: boolean, outcome: SettleOutcome, method: MethodId): void {
    this.outcome = outcome;
    if (!multiple) {
      if (!this.table.take(tag, this.visit)) throw unknownTag(tag, method);
      return;
    }
    if (tag === 0) this.table.takeAll(this.visit);
    else if (this.table.has(tag)) this.table.takeUpTo(tag, this.visit);
    else throw unknownTag(tag, method);
  }

  /** Everything that is unacknowledged goes back to its queues. */
  requeueAll(): void {
    this.table.takeAll((source, partition, offset) => this.settle(source, partition, offset, SettleOutcome.requeue));
  }

  /** Settles one delivery that was taken out of the table. */
  settle(index: number, partition: number, offset: number, outcome: SettleOutcome): void {
    const source = this.sources[index];
    if (source === undefined) return;
    if (outcome === SettleOutcome.acknowledge) {
      this.counters.acknowledged++;
      this.figures.acknowledged++;
    } else if (outcome === SettleOutcome.requeue) this.counters.requeued++;
    else this.counters.rejected++;
    if (!source.isDirty) this.dirty.push(source);
    source.settle(partition, offset, outcome);
  }

  /** Whether `flush` has something to do. */
  get isDirty(): boolean {
    return this.dirty.length > 0;
  }

  /** Hands what was gathered to the broker. */
  flush(): void {
    if (this.dirty.length === 0) return;
    const { dirty } = this;
    this.dirty = [];
    for (const source of dirty) {
      source.send();
      if (source.isEnding && source.unsettled === 0) this.release(source);
      else source.onSettled?.();
    }
  }

  /** The channel ends: what is held returns to its queues. */
  close(): void {
    this.flush();
    for (const source of this.sources) source?.handle.cancel();
    this.sources.length = 0;
    this.free.length = 0;
  }
}

function unknownTag(tag: number, method: MethodId): AmqpError {
  return new AmqpError('precondition-failed', `unknown delivery tag ${tag}`, method);
}
