/**
 * Reads a log record by record for the owner's deliveries: one chunk of the file at a time, decoded once, walked in offset order. Going back (for a
 * message that was returned) reads a chunk of its own, so that the walk along the log is not disturbed.
 */
import { copyOf } from '../base/copy.js';
import {
  batchIsControl,
  batchLastOffset,
  batchLastOffsetDelta,
  batchRecordsCount,
  nextBatch,
} from '../record/batch-header.js';
import { RecordError } from '../record/errors.js';
import { RecordCursor } from '../record/record-reader.js';
import { verifyBatch } from '../record/verify.js';
import { StorageError } from '../storage/errors.js';
import { nextBatchOffset } from './batch-walk.js';
import { PUSH_READ_BYTES } from './limits.js';
import type { LogFiles } from './log-views.js';
import type { RecordView } from './ports.js';

/** A record with its stored form, for sending it on unchanged. Valid until the next read. */
export interface StoredRecord extends RecordView {
  /** From the key's length to the record's end, as in the log. */
  readonly stored: Uint8Array;
  readonly sizeBytes: number;
}

/** The record that a cursor stands on. There is one object for all of a walk's; views of its parts are made when they are asked for. */
class PlacedRecord implements StoredRecord {
  offset = -1;
  timestampMs = -1;
  sizeBytes = 0;
  private bytes: Uint8Array = new Uint8Array(0);
  private keyStart = 0;
  private keyEnd = -1;
  private valueStart = 0;
  private valueEnd = -1;
  private recordEnd = 0;
  /** Both the queue's rules and the door look at them. */
  private headersView: Uint8Array | undefined;

  place(records: RecordCursor): this {
    this.offset = records.offset;
    this.timestampMs = records.timestamp;
    this.bytes = records.bytes;
    this.keyStart = records.keyStart;
    this.keyEnd = records.keyEnd;
    this.valueStart = records.valueStart;
    this.valueEnd = records.valueEnd;
    this.recordEnd = records.recordEnd;
    this.sizeBytes = records.recordEnd - afterVarint(records.bytes, records.offsetDeltaStart);
    this.headersView = undefined;
    return this;
  }

  get key(): Uint8Array | null {
    return this.keyEnd < 0 ? null : this.bytes.subarray(this.keyStart, this.keyEnd);
  }

  get value(): Uint8Array | null {
    return this.valueEnd < 0 ? null : this.bytes.subarray(this.valueStart, this.valueEnd);
  }

  get headers(): Uint8Array {
    this.headersView ??= this.bytes.subarray(Math.max(this.valueStart, this.valueEnd), this.recordEnd);
    return this.headersView;
  }

  get stored(): Uint8Array {
    return this.bytes.subarray(this.recordEnd - this.sizeBytes, this.recordEnd);
  }
}

/** A walk through one chunk of a log. */
class ChunkWalk {
  private readonly records = new RecordCursor();
  private readonly record = new PlacedRecord();
  private chunk: Uint8Array = new Uint8Array(0);
  /** Where the next batch begins. */
  private batchAt = 0;
  private isOpen = false;
  /** The offset after the batch that was opened last. */
  private batchEnd = 0;
  /** Its header says the same twice: damage in there could otherwise make a queue pass over messages that are sound. */
  private isEndCredible = false;
  /** The record that the cursor stands on has not been passed yet. */
  private onRecord = false;
  /** The smallest offset that can still be found by going on. */
  private position = 0;
  /** The offset after the chunk; 0 while there is none. */
  private chunkEnd = 0;

  /** Begins a chunk that was read for `offset` and ends before `chunkEnd`. */
  load(chunk: Uint8Array, offset: number, chunkEnd: number): void {
    this.chunk = chunk;
    this.batchAt = 0;
    this.isOpen = false;
    this.onRecord = false;
    this.position = offset;
    this.chunkEnd = chunkEnd;
  }

  /** The offset after the chunk. */
  get end(): number {
    return this.chunkEnd;
  }

  /** Whether the record at `offset`, or the first one after it, may be in the rest of this chunk. */
  covers(offset: number): boolean {
    return offset >= this.position && offset < this.chunkEnd;
  }

  /** Moves to the first record at or after `offset` in this chunk; false at the chunk's end. */
  seek(offset: number): boolean {
    this.position = offset;
    for (;;) {
      if (this.onRecord && this.records.offset >= offset) return true;
      this.onRecord = this.isOpen && this.nextRecord();
      if (!this.onRecord && !this.openBatch(offset)) return false;
    }
  }

  /** The record that `seek` moved to. */
  take(): StoredRecord {
    return this.record.place(this.records);
  }

  /** Opens the next batch that can hold `offset`; older ones and control batches are passed over. */
  private openBatch(offset: number): boolean {
    this.isOpen = false;
    for (;;) {
      const at = this.batchAt;
      const next = nextBatch(this.chunk, at, this.chunk.length);
      if (next === -1) return false;
      this.batchAt = next;
      if (batchLastOffset(this.chunk, at) < offset || batchIsControl(this.chunk, at)) continue;
      this.batchEnd = batchLastOffset(this.chunk, at) + 1;
      this.isEndCredible = batchRecordsCount(this.chunk, at) === batchLastOffsetDelta(this.chunk, at) + 1;
      this.openRecords(at);
      this.isOpen = true;
      return true;
    }
  }

  private openRecords(at: number): void {
    const fault = verifyBatch(this.chunk, at, this.chunk.length - at);
    try {
      if (fault !== 'ok') throw new RecordError('corrupt-batch', `the batch is damaged (${fault})`);
      this.records.open(this.chunk, at);
    } catch (cause) {
      throw this.damaged(cause);
    }
  }

  private nextRecord(): boolean {
    try {
      return this.records.next();
    } catch (cause) {
      this.isOpen = false;
      throw this.damaged(cause);
    }
  }

  /** A record's error as storage's, saying where reading can go on; anything else is passed on. */
  private damaged(cause: unknown): unknown {
    if (!(cause instanceof RecordError)) return cause;
    if (!this.isEndCredible)
      return new StorageError('corrupt', `Cannot deliver offset ${this.position}: ${cause.message}`, cause);
    const text = `Cannot deliver messages from offset ${this.position} to ${this.batchEnd - 1}: ${cause.message}`;
    return new StorageError('corrupt', text, cause, this.batchEnd);
  }
}

/** The position after the variable-length integer at `at`, however it is padded. */
function afterVarint(bytes: Uint8Array, at: number): number {
  let end = at;
  while ((bytes[end]! & 0x80) !== 0) end++;
  return end + 1;
}

/** See the top of this file. */
export class PushReader {
  private readonly files: LogFiles;
  private readonly logId: number;
  private readonly slot: number;
  private readonly isStable: boolean;
  private readonly chunkBytes: number;
  /** Made when they are needed: there may be many thousands of queues that nobody reads. */
  private ahead: ChunkWalk | undefined;
  private back: ChunkWalk | undefined;
  private highest = -1;

  /**
   * `isStable`: what `files` returns stays as it is, as with logs in memory, and needs no copy. `chunkBytes`: how much is read at once, little where the
   * next record is likely to be elsewhere.
   */
  constructor(files: LogFiles, logId: number, slot: number, isStable = false, chunkBytes: number = PUSH_READ_BYTES) {
    this.isStable = isStable;
    this.chunkBytes = chunkBytes;
    this.files = files;
    this.logId = logId;
    this.slot = slot;
  }

  /** The first record at or after `offset` and below `end`, or undefined when there is none. Throws StorageError. */
  read(offset: number, end: number): StoredRecord | undefined {
    const isAhead = offset > this.highest;
    const walk = this.walk(isAhead);
    if (isAhead) this.highest = offset;
    let from = offset;
    while (from < end) {
      if (!walk.covers(from)) this.load(walk, from, end);
      if (walk.seek(from)) return walk.take();
      from = walk.end;
    }
    return undefined;
  }

  /** Gives back the memory of what was read, for when nothing is to be read soon. */
  forget(): void {
    this.ahead = undefined;
    this.back = undefined;
  }

  private walk(isAhead: boolean): ChunkWalk {
    if (isAhead) {
      this.ahead ??= new ChunkWalk();
      return this.ahead;
    }
    this.back ??= new ChunkWalk();
    return this.back;
  }

  private load(walk: ChunkWalk, offset: number, end: number): void {
    // The files' view lives until their next read, by whomever; the walk goes on over many turns.
    const read = this.files.read(this.logId, this.slot, offset, this.chunkBytes, end);
    const chunk = this.isStable ? read : copyOf(read);
    walk.load(chunk, offset, chunk.length === 0 ? end : nextBatchOffset(chunk, end));
  }
}
