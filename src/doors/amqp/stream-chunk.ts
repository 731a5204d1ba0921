import { copyOf } from '../../base/copy.js';
import { BrokerError } from '../../broker/errors.js';
import type { FetchedBatches, RecordView } from '../../broker/ports.js';
import { batchBaseOffset, batchIsControl, batchLastOffset, nextBatch } from '../../record/batch-header.js';
import { RecordError } from '../../record/errors.js';
import { RecordCursor } from '../../record/record-reader.js';
import { verifyBatch } from '../../record/verify.js';

const EMPTY = new Uint8Array(0);

/** Walks through the records that a follower has handed over, and can wait in the midst of them. */
export class StreamChunk {
  partition = 0;
  /** Records below were delivered, or are not wanted. */
  from = 0;
  private readonly positions = new Map<number, number>();
  private readonly records = new RecordCursor();
  private bytes: Uint8Array = EMPTY;
  /** The batch that is open; what lies before it is done with. */
  private batchStart = 0;
  private batchAt = 0;
  private isOpen = false;
  private nextOffset = 0;

  /** Begins a chunk; its bytes are borrowed until `keep` copies what is left of them. */
  open({ partition, batches, nextOffset }: FetchedBatches): void {
    this.partition = partition;
    this.from = this.positions.get(partition) ?? 0;
    this.nextOffset = nextOffset;
    this.bytes = batches;
    this.batchStart = 0;
    this.batchAt = 0;
    this.isOpen = false;
  }

  /** Where reading begins in a partition. */
  startAt(partition: number, offset: number): void {
    this.positions.set(partition, offset);
  }

  /** Passes over all batches before the last one that begins below `end`. */
  skipToLastBatch(end: number): void {
    this.from = 0;
    for (let at = 0; ; ) {
      const next = nextBatch(this.bytes, at, this.bytes.length);
      if (next === -1 || batchBaseOffset(this.bytes, at) >= end) return;
      this.from = batchBaseOffset(this.bytes, at);
      at = next;
    }
  }

  /** Moves to the next record; false at the chunk's end, when its bytes are let go. @throws BrokerError `corrupt-batch` */
  next(): boolean {
    try {
      for (;;) {
        while (this.isOpen && this.records.next()) {
          if (this.records.offset < this.from) continue;
          this.from = this.records.offset + 1;
          return true;
        }
        if (!this.openBatch()) break;
      }
    } catch (cause) {
      if (!(cause instanceof RecordError)) throw cause;
      throw new BrokerError('corrupt-batch', `Cannot read on from offset ${this.from}`, cause);
    }
    this.positions.set(this.partition, Math.max(this.from, this.nextOffset));
    this.bytes = EMPTY;
    this.batchStart = this.batchAt = 0;
    return false;
  }

  private openBatch(): boolean {
    this.isOpen = false;
    for (;;) {
      const at = this.batchAt;
      const next = nextBatch(this.bytes, at, this.bytes.length);
      if (next === -1) return false;
      this.batchStart = at;
      this.batchAt = next;
      if (batchLastOffset(this.bytes, at) < this.from || batchIsControl(this.bytes, at)) continue;
      const fault = verifyBatch(this.bytes, at, this.bytes.length - at);
      if (fault !== 'ok') throw new BrokerError('corrupt-batch', `Cannot read a batch that is damaged (${fault})`);
      this.records.open(this.bytes, at);
      this.isOpen = true;
      return true;
    }
  }

  /** The record that `next` moved to: views of the chunk. */
  get record(): RecordView {
    const { records } = this;
    const { bytes, recordEnd } = records;
    return {
      offset: records.offset,
      timestampMs: records.timestamp,
      key: records.keyEnd < 0 ? null : bytes.subarray(records.keyStart, records.keyEnd),
      value: records.valueEnd < 0 ? null : bytes.subarray(records.valueStart, records.valueEnd),
      headers: bytes.subarray(Math.max(records.valueStart, records.valueEnd), recordEnd),
    };
  }

  /** Copies what is left, from the open batch on; walking goes on behind the last record. */
  keep(): void {
    const at = this.isOpen ? this.batchStart : this.batchAt;
    this.bytes = copyOf(this.bytes.subarray(at));
    this.batchStart = this.batchAt = 0;
    // The batch is walked again from its beginning: `from` passes over what was delivered.
    this.isOpen = false;
  }
}
