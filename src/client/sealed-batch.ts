import { writeI64, writeU16, writeU32 } from '../base/integers.js';
import { utf8Size, writeUtf8 } from '../base/utf8.js';
import { uvarintSize, writeUvarint } from '../base/varint.js';
import { patchCrc } from '../record/batch-header.js';
import { BASE_SEQUENCE_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT } from '../record/layout.js';
import type { ClientError } from './errors.js';
import type { InFlightPublish } from './publish-window.js';
import type { CompletionRuns } from './receipts.js';
import { WIRE_LENGTH, WIRE_VARINT, wireTag } from './wire.js';

const FRAME_ID = wireTag(1, WIRE_VARINT);
const FRAME_PUBLISH = wireTag(3, WIRE_LENGTH);
const PUBLISH_TO = wireTag(1, WIRE_LENGTH);
const PUBLISH_PARTITION = wireTag(2, WIRE_VARINT);
const PUBLISH_BATCH = wireTag(4, WIRE_LENGTH);
const PUBLISH_DURABILITY = wireTag(5, WIRE_VARINT);
/** Tags and lengths: the most that a publish frame adds to batch and name. */
const FRAME_FIELDS_BYTES = 48;

/** Sequences are 31 bits long and wrap to 0. */
export const SEQUENCE_MASK = 0x7fff_ffff;

/** Somebody who waits until everything accepted so far has an outcome. */
export interface Flush {
  /** Batches without an outcome. */
  left: number;
  readonly done: () => void;
}

/** Who is told of a batch's outcome. */
export interface BatchOwner {
  batchConfirmed(batch: SealedBatch, baseOffset: number, reached: number, duplicate: boolean): void;
  batchRefused(batch: SealedBatch, error: ClientError): void;
}

/** What a batch is sealed with. */
export interface SealedBatchFields {
  readonly id: number;
  readonly to: string;
  readonly partition: number;
  readonly durability: number;
  readonly count: number;
  /** -1 without idempotence. */
  readonly sequence: number;
  readonly deadlineMs: number;
  /** What it counts for in the producer's buffer. */
  readonly bufferedBytes: number;
  readonly runs: CompletionRuns;
  readonly flushes: readonly Flush[];
}

/**
 * A finished batch in the frame that carries it. The same bytes are sent again after a lost connection, so that the node can tell whether it has
 * them already.
 */
export class SealedBatch implements InFlightPublish {
  readonly id: number;
  readonly frame: Uint8Array<ArrayBuffer>;
  readonly count: number;
  readonly durability: number;
  readonly deadlineMs: number;
  readonly runs: CompletionRuns;
  readonly bufferedBytes: number;
  /** Those who wait for it. */
  readonly flushes: Flush[];
  /** Of its first message. */
  sequence: number;
  /** The node's refusal, while it waits for what becomes of the batches around it. */
  refusal: ClientError | undefined;
  /** It was sent over a connection that broke, or refused by an error that leaves open whether it is stored. */
  isUncertain = false;
  /** How often it was given a new producer id. */
  resets = 0;
  private readonly owner: BatchOwner;
  private readonly batchAt: number;

  constructor(owner: BatchOwner, fields: SealedBatchFields, batch: Uint8Array) {
    this.owner = owner;
    this.id = fields.id;
    this.count = fields.count;
    this.durability = fields.durability;
    this.deadlineMs = fields.deadlineMs;
    this.runs = fields.runs;
    this.flushes = [...fields.flushes];
    this.bufferedBytes = fields.bufferedBytes;
    this.sequence = fields.sequence;
    const nameBytes = utf8Size(fields.to);
    const frame = new Uint8Array(batch.length + nameBytes + FRAME_FIELDS_BYTES);
    const publishBytes =
      1 +
      uvarintSize(nameBytes) +
      nameBytes +
      1 +
      uvarintSize(fields.partition) +
      1 +
      uvarintSize(batch.length) +
      batch.length +
      2;
    frame[0] = FRAME_ID;
    let at = writeUvarint(frame, 1, fields.id);
    frame[at] = FRAME_PUBLISH;
    at = writeUvarint(frame, at + 1, publishBytes);
    frame[at] = PUBLISH_TO;
    at = writeUtf8(frame, writeUvarint(frame, at + 1, nameBytes), fields.to);
    frame[at] = PUBLISH_PARTITION;
    at = writeUvarint(frame, at + 1, fields.partition);
    frame[at] = PUBLISH_DURABILITY;
    frame[at + 1] = fields.durability;
    frame[at + 2] = PUBLISH_BATCH;
    this.batchAt = writeUvarint(frame, at + 3, batch.length);
    frame.set(batch, this.batchAt);
    this.frame = frame.subarray(0, this.batchAt + batch.length);
  }

  confirmed(baseOffset: number, reached: number, duplicate: boolean): void {
    this.owner.batchConfirmed(this, baseOffset, reached, duplicate);
  }

  refused(error: ClientError): void {
    this.owner.batchRefused(this, error);
  }

  /** Moves the batch to another place in a producer's sequence. It must not be on its way. */
  restamp(producerId: number, epoch: number, sequence: number): void {
    const { frame, batchAt } = this;
    this.sequence = sequence;
    writeI64(frame, batchAt + PRODUCER_ID_AT, producerId);
    writeU16(frame, batchAt + PRODUCER_EPOCH_AT, epoch);
    writeU32(frame, batchAt + BASE_SEQUENCE_AT, sequence);
    // The view begins at the batch, and patchCrc reads no further than the batch's own length.
    patchCrc(frame, batchAt);
  }
}
