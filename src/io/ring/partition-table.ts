import { assert } from '../../base/assert.js';
import {
  COPY_DURABLE_END_WORD,
  COPY_HIGH_WATERMARK_WORD,
  COPY_LAST_STABLE_OFFSET_WORD,
  COPY_LEADER_EPOCH_WORD,
  COPY_LOG_END_WORD,
  COPY_LOG_ID_WORD,
  COPY_LOG_START_WORD,
  COPY_OWNER_SHARD_WORD,
  COPY_READY_COUNT_WORD,
  COPY_SEGMENT_LIST_VERSION_WORD,
  ROW_BYTES,
  ROW_COPIES_WORD,
  ROW_COPY_WORDS,
  ROW_INTEREST_WORD,
  ROW_INTEREST_WORDS,
  ROW_TURN_WORD,
  ROW_WORDS,
} from './layout.js';
import { DEFAULT_TABLE_SLOTS, MAX_SHARDS } from './limits.js';

const TWO_TO_32 = 0x1_0000_0000;

/** What every shard may know of a partition without asking its owner. -1 stands for "none". */
export interface PartitionRow {
  /** The log in this slot; -1 while the slot is free. Slots are used again, log ids are not. */
  logId: number;
  /** Offsets; all of them count records from the log's beginning. */
  logStart: number;
  logEnd: number;
  durableEnd: number;
  highWatermark: number;
  lastStableOffset: number;
  /** Messages that wait in the partition's queue. */
  readyCount: number;
  leaderEpoch: number;
  /** Moves whenever the list of segments changes. */
  segmentListVersion: number;
  /** The shard that writes; -1 while the slot is free. */
  ownerShard: number;
}

/** A row as a free slot has it. */
export function freePartitionRow(): PartitionRow {
  return {
    logId: -1,
    logStart: 0,
    logEnd: 0,
    durableEnd: 0,
    highWatermark: 0,
    lastStableOffset: 0,
    readyCount: 0,
    leaderEpoch: -1,
    segmentListVersion: 0,
    ownerShard: -1,
  };
}

/** Which 53-bit value of a row `PartitionTable.value` reads: its place within a copy of the row. */
export const PARTITION_VALUE = {
  logId: COPY_LOG_ID_WORD,
  logStart: COPY_LOG_START_WORD,
  logEnd: COPY_LOG_END_WORD,
  durableEnd: COPY_DURABLE_END_WORD,
  highWatermark: COPY_HIGH_WATERMARK_WORD,
  lastStableOffset: COPY_LAST_STABLE_OFFSET_WORD,
  readyCount: COPY_READY_COUNT_WORD,
} as const;

/** One of the places in PARTITION_VALUE. */
export type PartitionValue = (typeof PARTITION_VALUE)[keyof typeof PARTITION_VALUE];

/**
 * The table in which owners publish the state of their partitions to all threads (docs/formats/ring.md). Reads are never torn and never
 * wait: two copies per row, of which the owner writes the one that is not valid.
 *
 * A slot has one writing thread at a time. When a partition moves, the old owner's last write happens before the new owner's first; whoever
 * moves it sees to that.
 */
export class PartitionTable {
  readonly slots: number;
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    assert(buffer.byteLength % ROW_BYTES === 0, `A partition table of ${buffer.byteLength} bytes`);
    this.buffer = buffer;
    this.slots = buffer.byteLength / ROW_BYTES;
    this.words = new Int32Array(buffer);
  }

  /** A table of free slots. */
  static create(slots: number = DEFAULT_TABLE_SLOTS): PartitionTable {
    return new PartitionTable(new SharedArrayBuffer(slots * ROW_BYTES));
  }

  /** Publishes a row; for the slot's owner only. All of its values become visible at once. */
  write(slot: number, row: Readonly<PartitionRow>): void {
    const base = this.rowWord(slot);
    const turn = Atomics.load(this.words, base + ROW_TURN_WORD);
    const copy = base + ROW_COPIES_WORD + ((turn + 1) & 1) * ROW_COPY_WORDS;
    this.putValue(copy + COPY_LOG_ID_WORD, row.logId + 1);
    this.putValue(copy + COPY_LOG_START_WORD, row.logStart);
    this.putValue(copy + COPY_LOG_END_WORD, row.logEnd);
    this.putValue(copy + COPY_DURABLE_END_WORD, row.durableEnd);
    this.putValue(copy + COPY_HIGH_WATERMARK_WORD, row.highWatermark);
    this.putValue(copy + COPY_LAST_STABLE_OFFSET_WORD, row.lastStableOffset);
    this.putValue(copy + COPY_READY_COUNT_WORD, row.readyCount);
    this.putWord(copy + COPY_LEADER_EPOCH_WORD, row.leaderEpoch + 1);
    this.putWord(copy + COPY_SEGMENT_LIST_VERSION_WORD, row.segmentListVersion);
    this.putWord(copy + COPY_OWNER_SHARD_WORD, row.ownerShard + 1);
    Atomics.store(this.words, base + ROW_TURN_WORD, (turn + 1) | 0);
  }

  /** Reads a row into `into`, all values from the same write, and returns it. */
  read(slot: number, into: PartitionRow): PartitionRow {
    const base = this.rowWord(slot);
    for (;;) {
      const turn = Atomics.load(this.words, base + ROW_TURN_WORD);
      const copy = base + ROW_COPIES_WORD + (turn & 1) * ROW_COPY_WORDS;
      into.logId = this.takeValue(copy + COPY_LOG_ID_WORD) - 1;
      into.logStart = this.takeValue(copy + COPY_LOG_START_WORD);
      into.logEnd = this.takeValue(copy + COPY_LOG_END_WORD);
      into.durableEnd = this.takeValue(copy + COPY_DURABLE_END_WORD);
      into.highWatermark = this.takeValue(copy + COPY_HIGH_WATERMARK_WORD);
      into.lastStableOffset = this.takeValue(copy + COPY_LAST_STABLE_OFFSET_WORD);
      into.readyCount = this.takeValue(copy + COPY_READY_COUNT_WORD);
      into.leaderEpoch = Atomics.load(this.words, copy + COPY_LEADER_EPOCH_WORD) - 1;
      into.segmentListVersion = Atomics.load(this.words, copy + COPY_SEGMENT_LIST_VERSION_WORD);
      into.ownerShard = Atomics.load(this.words, copy + COPY_OWNER_SHARD_WORD) - 1;
      if (Atomics.load(this.words, base + ROW_TURN_WORD) === turn) return into;
    }
  }

  /** One value of a row, without reading the others. */
  value(slot: number, which: PartitionValue): number {
    const base = this.rowWord(slot);
    for (;;) {
      const turn = Atomics.load(this.words, base + ROW_TURN_WORD);
      const value = this.takeValue(base + ROW_COPIES_WORD + (turn & 1) * ROW_COPY_WORDS + which);
      if (Atomics.load(this.words, base + ROW_TURN_WORD) === turn) {
        return which === COPY_LOG_ID_WORD ? value - 1 : value;
      }
    }
  }

  /**
   * Says that `shard` wants its dirty bitmap marked when the slot changes, or no longer does. Read the row after asking: a write that came
   * before is not reported.
   */
  setInterest(slot: number, shard: number, interested: boolean): void {
    const word = this.interestWord(slot, shard);
    if (interested) Atomics.or(this.words, word, 1 << (shard & 31));
    else Atomics.and(this.words, word, ~(1 << (shard & 31)));
  }

  /** The shards of one half (0: shards 0 to 31, 1: 32 to 63) that want to hear of changes, as bits. */
  interestBits(slot: number, half: number): number {
    assert(half >= 0 && half < ROW_INTEREST_WORDS, `There is no interest word ${half}`);
    return Atomics.load(this.words, this.rowWord(slot) + ROW_INTEREST_WORD + half);
  }

  private interestWord(slot: number, shard: number): number {
    assert(shard >= 0 && shard < MAX_SHARDS, `There is no shard ${shard}`);
    return this.rowWord(slot) + ROW_INTEREST_WORD + (shard >> 5);
  }

  private rowWord(slot: number): number {
    assert(slot >= 0 && slot < this.slots, `Slot ${slot} is outside a table of ${this.slots}`);
    return slot * ROW_WORDS;
  }

  private putValue(word: number, value: number): void {
    this.putWord(word, value | 0);
    this.putWord(word + 1, Math.floor(value / TWO_TO_32));
  }

  // Only the owner writes a row, so it may look with a plain read whether the word differs at all: most do not.
  private putWord(word: number, value: number): void {
    if (this.words[word] !== value) Atomics.store(this.words, word, value);
  }

  private takeValue(word: number): number {
    return Atomics.load(this.words, word + 1) * TWO_TO_32 + (Atomics.load(this.words, word) >>> 0);
  }
}
