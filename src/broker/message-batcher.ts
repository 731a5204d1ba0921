/**
 * Makes record batches of messages that arrive one by one: those of one turn for one log and durability become one batch. Publishes with a producer's
 * stamp are never merged, since a batch has one sequence.
 */
import { BatchBuilder, maxRecordSize } from '../record/batch-builder.js';
import type { BrokerError } from './errors.js';
import { KEPT_BUILDER_BYTES, MAX_GATHERED_BATCH_BYTES, MAX_SPARE_BUILDERS } from './limits.js';
import type { DurabilityLevel, OutgoingMessage, ProducerStamp, PublishListener } from './ports.js';

/** Where finished batches go. The bytes are borrowed. */
export type SubmitBatch = (
  partition: number,
  logId: number,
  bytes: Uint8Array,
  level: DurabilityLevel,
  token: number,
  listener: PublishListener,
) => void;

interface Share {
  readonly token: number;
  readonly listener: PublishListener;
  readonly first: number;
  count: number;
}

/** Hands the outcome of one gathered batch to those whose messages are in it. */
class SharedOutcome implements PublishListener {
  private readonly shares: readonly Share[];

  constructor(shares: readonly Share[]) {
    this.shares = shares;
  }

  published(
    _token: number,
    partition: number,
    baseOffset: number,
    _count: number,
    reached: DurabilityLevel,
    duplicate: boolean,
  ): void {
    for (const { listener, token, first, count } of this.shares) {
      listener.published(token, partition, baseOffset + first, count, reached, duplicate);
    }
  }

  publishFailed(_token: number, error: BrokerError): void {
    for (const { listener, token } of this.shares) listener.publishFailed(token, error);
  }
}

interface Gathering {
  readonly partition: number;
  readonly logId: number;
  readonly level: DurabilityLevel;
  readonly builder: BatchBuilder;
  shares: Share[];
}

/** See the top of this file. */
export class MessageBatcher {
  private readonly submit: SubmitBatch;
  private readonly nowMs: () => number;
  /** By log id; empty between turns. */
  private readonly gatherings = new Map<number, Gathering>();
  private readonly spareBuilders: BatchBuilder[] = [];
  private readonly stampedBuilder = new BatchBuilder();

  constructor(submit: SubmitBatch, nowMs: () => number) {
    this.submit = submit;
    this.nowMs = nowMs;
  }

  /** Adds one message to its log's batch of this turn. */
  add(
    partition: number,
    logId: number,
    message: OutgoingMessage,
    level: DurabilityLevel,
    token: number,
    listener: PublishListener,
  ): void {
    const gathering = this.gatheringFor(partition, logId, level, message);
    const { key, value, headers } = message;
    const index = gathering.builder.append(key, value, message.timestampMs || this.nowMs(), headers);
    const last = gathering.shares.at(-1);
    if (last !== undefined && last.token === token && last.listener === listener) last.count++;
    else gathering.shares.push({ token, listener, first: index, count: 1 });
  }

  /** Submits messages with a producer's stamp as one batch of their own, behind what was gathered before. */
  addStamped(
    partition: number,
    logId: number,
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
    this.submit(partition, logId, this.stampedBuilder.finish(), level, token, listener);
  }

  /** Submits what was gathered; called at the end of the turn, and before anything that must not overtake it. */
  flush(): void {
    if (this.gatherings.size === 0) return;
    const finished = [...this.gatherings.values()];
    // Before anybody hears of an outcome: who answers with another publish begins another batch.
    this.gatherings.clear();
    for (const gathering of finished) this.finish(gathering);
  }

  private gatheringFor(partition: number, logId: number, level: DurabilityLevel, message: OutgoingMessage): Gathering {
    let gathering = this.gatherings.get(logId);
    const size = maxRecordSize(message.key?.length ?? -1, message.value?.length ?? -1, message.headers);
    // A batch has one level; mixing them in two open batches would change the order of one publisher's messages.
    const fits = gathering?.level === level && gathering.builder.sizeBytes + size <= MAX_GATHERED_BATCH_BYTES;
    if (gathering !== undefined && !fits) {
      this.gatherings.delete(logId);
      this.finish(gathering);
      gathering = undefined;
    }
    if (gathering === undefined) {
      const builder = (this.spareBuilders.pop() ?? new BatchBuilder()).start();
      gathering = { partition, logId, level, builder, shares: [] };
      this.gatherings.set(logId, gathering);
    }
    return gathering;
  }

  private finish(gathering: Gathering): void {
    const { partition, logId, level, builder, shares } = gathering;
    const [only] = shares;
    // The first message was refused by the builder, and its publisher has been told.
    if (only === undefined) return;
    if (shares.length === 1) {
      this.submit(partition, logId, builder.finish(), level, only.token, only.listener);
    } else {
      this.submit(partition, logId, builder.finish(), level, 0, new SharedOutcome(shares));
    }
    const isWorthKeeping = this.spareBuilders.length < MAX_SPARE_BUILDERS && builder.bytes.length <= KEPT_BUILDER_BYTES;
    if (isWorthKeeping) this.spareBuilders.push(builder);
  }
}
