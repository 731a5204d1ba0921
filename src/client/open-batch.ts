import { writeUtf8 } from '../base/utf8.js';
import { BatchBuilder, type BatchOptions, maxRecordSize } from '../record/batch-builder.js';
import type { RecordHeader } from '../record/records.js';
import { MAX_BATCH_MESSAGES } from './limits.js';
import type { Bytes } from './outgoing.js';
import { type Completion, CompletionRuns } from './receipts.js';
import { type BatchOwner, type Flush, SealedBatch } from './sealed-batch.js';

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/** A message with its parts ready to be written. */
export interface PreparedMessage {
  readonly key: Uint8Array | null;
  readonly value: Bytes | null;
  /** Size of the value when written; -1 for null. */
  readonly valueBytes: number;
  readonly headers: readonly RecordHeader[];
  readonly timestamp: number;
}

/** Who stamps a batch: id and epoch of its producer, and its first sequence; all -1 without idempotence. */
export interface ProducerStamp {
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
}

/** The batch of one partition that messages are being added to. Their bytes are copied, so that the caller may use its own again. */
export class OpenBatch {
  /** When the first message came, in ms; -1 while there is none. */
  openedMs = -1;
  durability = 0;
  /** Whether it need not wait for more messages. */
  isDue = false;
  flushes: Flush[] = [];
  private readonly builder = new BatchBuilder();
  // The builder writes the header when it finishes, from these options: only then is it known which sequence the batch will have.
  private readonly header: Writable<BatchOptions> = {};
  private runs = new CompletionRuns();

  /** Messages so far. */
  get count(): number {
    return this.openedMs === -1 ? 0 : this.builder.count;
  }

  /** Bytes so far. */
  get sizeBytes(): number {
    return this.openedMs === -1 ? 0 : this.builder.sizeBytes;
  }

  /** Whether a message still fits, at the durability asked for. */
  takes(message: PreparedMessage, durability: number, maxBytes: number): boolean {
    if (this.openedMs === -1) return true;
    if (durability !== this.durability || this.builder.count >= MAX_BATCH_MESSAGES) return false;
    const record = maxRecordSize(message.key?.length ?? -1, message.valueBytes, message.headers);
    return this.builder.sizeBytes + record <= maxBytes;
  }

  /** Adds a message, which is message `at` of its completion. Returns by how many bytes the batch grew. */
  add(message: PreparedMessage, durability: number, completion: Completion | undefined, at: number): number {
    const before = this.sizeBytes;
    if (this.openedMs === -1) {
      this.builder.start(this.header);
      this.openedMs = message.timestamp;
      this.durability = durability;
    }
    const { key, value, headers, timestamp } = message;
    if (typeof value === 'string') {
      const valueAt = this.builder.reserveRecord(key, message.valueBytes, timestamp, headers);
      writeUtf8(this.builder.bytes, valueAt, value);
    } else this.builder.append(key, value, timestamp, headers);
    this.runs.add(completion, at);
    return this.builder.sizeBytes - before;
  }

  /** Finishes the batch and begins an empty one. */
  seal(
    owner: BatchOwner,
    place: { readonly id: number; readonly to: string; readonly partition: number; readonly deadlineMs: number },
    stamp: ProducerStamp,
  ): SealedBatch {
    const { header, builder, runs, flushes } = this;
    header.producerId = stamp.producerId;
    header.producerEpoch = stamp.epoch;
    header.baseSequence = stamp.sequence;
    const { count, sizeBytes: bufferedBytes } = builder;
    const { durability } = this;
    const fields = { ...place, durability, count, sequence: stamp.sequence, bufferedBytes, runs, flushes };
    const sealed = new SealedBatch(owner, fields, builder.finish());
    this.openedMs = -1;
    this.isDue = false;
    this.runs = new CompletionRuns();
    this.flushes = [];
    return sealed;
  }
}
