/**
 * Makes record batches of messages that arrive one by one: those of one turn for one group of logs and durability become one batch, built once. Publishes
 * with a producer's stamp are never merged, since a batch has one sequence.
 *
 * Every log gets the messages in the order in which they came: a log is in one open batch at most, so a message for a group one of whose logs is in the
 * open batch of another group closes that batch first.
 */
import { BatchBuilder, type BatchOptions, maxEncodedRecordSize, maxRecordSize } from '../record/batch-builder.js';
import { KEPT_BUILDER_BYTES, MAX_SPARE_BUILDERS } from './limits.js';
import { DurabilityLevel, type OutgoingMessage, type ProducerStamp, type PublishListener } from './ports.js';
import type { LogGroup } from './route-groups.js';
import { SharedOutcome, type SpareOutcomes } from './shared-outcome.js';

/** Where finished batches go. The bytes are borrowed. */
export type SubmitBatch = (
  group: LogGroup,
  bytes: Uint8Array,
  level: DurabilityLevel,
  token: number,
  listener: PublishListener,
) => void;

interface Gathering {
  readonly group: LogGroup;
  readonly level: DurabilityLevel;
  readonly builder: BatchBuilder;
  readonly outcome: SharedOutcome;
  /** Of the first message, for batches that are one publisher's alone. */
  readonly token: number;
  readonly listener: PublishListener;
  isOpen: boolean;
}

/** See the top of this file. */
export class MessageBatcher {
  private readonly submit: SubmitBatch;
  private readonly nowMs: () => number;
  private readonly options: (() => BatchOptions) | undefined;
  /** In the order in which they were begun; those that were closed early are among them. Empty between turns. */
  private gatherings: Gathering[] = [];
  /** The open batch that a log is in. */
  private readonly byLog = new Map<number, Gathering>();
  private readonly spareBuilders: BatchBuilder[] = [];
  private readonly spareOutcomes: SpareOutcomes = [];
  private readonly stampedBuilder = new BatchBuilder();

  /** `options`: what every batch says of itself, asked when it is begun; for transactions. */
  constructor(submit: SubmitBatch, nowMs: () => number, options?: () => BatchOptions) {
    this.submit = submit;
    this.nowMs = nowMs;
    this.options = options;
  }

  /** Adds one message to its group's batch of this turn. */
  add(
    group: LogGroup,
    message: OutgoingMessage,
    level: DurabilityLevel,
    token: number,
    listener: PublishListener,
  ): void {
    const gathering = this.gatheringFor(group, level, message, token, listener);
    const { key, value, headers, encodedHeaders } = message;
    const timestampMs = message.timestampMs || this.nowMs();
    const { builder } = gathering;
    const index =
      encodedHeaders === undefined
        ? builder.append(key, value, timestampMs, headers)
        : builder.appendEncoded(key, value, timestampMs, encodedHeaders);
    gathering.outcome.add(index, token, listener);
  }

  /** Submits messages with a producer's stamp as one batch of their own, behind what was gathered before. */
  addStamped(
    group: LogGroup,
    messages: readonly OutgoingMessage[],
    stamp: ProducerStamp,
    level: DurabilityLevel,
    token: number,
    listener: PublishListener,
  ): void {
    this.flush();
    const { producerId, epoch, sequence } = stamp;
    this.stampedBuilder.start({ producerId, producerEpoch: epoch, baseSequence: sequence });
    for (const { key, value, headers, timestampMs } of messages) {
      this.stampedBuilder.append(key, value, timestampMs || this.nowMs(), headers);
    }
    this.submit(group, this.stampedBuilder.finish(), level, token, listener);
  }

  /** Submits what was gathered; called at the end of the turn, and before anything that must not overtake it. */
  flush(): void {
    if (this.gatherings.length === 0) return;
    const finished = this.gatherings;
    // Before anybody hears of an outcome: who answers with another publish begins another batch, behind all of these.
    this.gatherings = [];
    const open = finished.filter((gathering) => gathering.isOpen);
    for (const gathering of open) this.close(gathering);
    for (const gathering of open) this.finish(gathering);
  }

  private gatheringFor(
    group: LogGroup,
    wanted: DurabilityLevel,
    message: OutgoingMessage,
    token: number,
    listener: PublishListener,
  ): Gathering {
    const level = group.isVolatile ? DurabilityLevel.memory : wanted;
    // Only this class writes there.
    const open = group.open as Gathering | undefined;
    if (open !== undefined) {
      // A batch has one level; mixing them in two open batches would change the order of one publisher's messages.
      if (open.level === level && !group.takesSingly && fits(open.builder, message, group.maxBatchBytes)) return open;
      this.close(open);
      this.finish(open);
    }
    this.closeOthers(group);
    return this.begin(group, level, token, listener);
  }

  /** Submits the open batches that a log of the group is in. */
  private closeOthers(group: LogGroup): void {
    let isAnyOpen = this.byLog.size > 0;
    while (isAnyOpen) {
      isAnyOpen = false;
      for (let index = 0; index < group.logIds.length; index++) {
        const other = this.byLog.get(group.logIds[index]!);
        if (other === undefined) continue;
        this.close(other);
        this.finish(other);
        // Whoever was told of a failure may have published again, to logs that were passed already.
        isAnyOpen = true;
      }
    }
  }

  private begin(group: LogGroup, level: DurabilityLevel, token: number, listener: PublishListener): Gathering {
    const builder = (this.spareBuilders.pop() ?? new BatchBuilder()).start(this.options?.());
    const outcome = this.spareOutcomes.pop() ?? new SharedOutcome(this.spareOutcomes);
    const gathering: Gathering = { group, level, builder, outcome, token, listener, isOpen: true };
    group.open = gathering;
    for (let index = 0; index < group.logIds.length; index++) this.byLog.set(group.logIds[index]!, gathering);
    this.gatherings.push(gathering);
    return gathering;
  }

  /** Nothing is added to it any more. */
  private close(gathering: Gathering): void {
    const { group } = gathering;
    gathering.isOpen = false;
    group.open = undefined;
    for (let index = 0; index < group.logIds.length; index++) this.byLog.delete(group.logIds[index]!);
  }

  private finish({ group, level, builder, outcome, token, listener }: Gathering): void {
    if (outcome.shares === 0) {
      // The first message was refused by the builder, and its publisher has been told.
      outcome.recycle();
      return;
    }
    if (outcome.shares === 1) {
      outcome.recycle();
      this.submit(group, builder.finish(), level, token, listener);
    } else {
      this.submit(group, builder.finish(), level, 0, outcome);
    }
    const isWorthKeeping = this.spareBuilders.length < MAX_SPARE_BUILDERS && builder.bytes.length <= KEPT_BUILDER_BYTES;
    if (isWorthKeeping) this.spareBuilders.push(builder);
  }
}

function fits({ sizeBytes }: BatchBuilder, message: OutgoingMessage, maxBytes: number): boolean {
  if (sizeBytes > maxBytes) return false;
  const { key, value, headers, encodedHeaders } = message;
  const keyLength = key?.length ?? -1;
  const valueLength = value?.length ?? -1;
  const recordBytes =
    encodedHeaders === undefined
      ? maxRecordSize(keyLength, valueLength, headers)
      : maxEncodedRecordSize(keyLength, valueLength, encodedHeaders.length);
  return sizeBytes + recordBytes <= maxBytes;
}
