/**
 * Logs without files, for queues that end with this start of the node. Batches are kept as they came, one behind the other in blocks of memory, and a
 * block goes when the queue is done with everything in it. Nothing is journaled, nothing needs a sync.
 *
 * A block is about as large as what its log holds when it is begun: an idle queue has none or a small one, and one unsettled message keeps at most
 * the largest kind of block.
 */
import { assert } from '../base/assert.js';
import * as batch from '../record/batch-header.js';
import { StorageError } from './errors.js';
import { MEMORY_BLOCK_MAX_BYTES, MEMORY_BLOCK_MIN_BYTES, MEMORY_RELEASE_LOOKS } from './limits.js';
import type { OwnerLog } from './owner-log.js';
import type { Companion, LogConfig, LogDescription, PartitionProgress } from './ports.js';
import { ProducerState } from './producer-state.js';
import { encodeMarker, messagesIn } from './transaction-marker.js';
import {
  isHidden,
  keepVisible,
  OWN_PRODUCER_ID_FIRST,
  TransactionState,
  TransactionTable,
} from './transaction-table.js';

/** Some batches, one behind the other. */
interface Block {
  readonly bytes: Uint8Array;
  /** Bytes that hold batches. */
  used: number;
  /** The offset after the last batch. */
  end: number;
  /** Everything below is known to be settled. */
  settledBelow: number;
}

const NO_BYTES = new Uint8Array(0);

/** See the top of this file. Made by MemoryLogs only. */
export class MemoryLog implements OwnerLog {
  readonly isVolatile = true;
  readonly logId: number;
  readonly slot: number;
  readonly companion: Companion;
  config: LogConfig;
  logStart = 0;
  nextOffset = 0;
  logEnd = 0;
  visibleEnd = 0;
  /** No sync ever covers anything. */
  readonly durableEnd = 0;
  readonly leaderEpoch = 0;
  readonly segmentListVersion = 0;
  offline: StorageError | undefined;
  lastAppendWasDuplicate = false;
  /** The log waits for the end of the turn. */
  isTouched = false;
  private readonly host: MemoryLogs;
  private blocks: Block[] = [];
  private bytes = 0;
  private producers: ProducerState | undefined;
  private transactions: TransactionTable | undefined;
  /** Where `release` looks next among the blocks in the middle. */
  private nextLook = 1;
  /** Where the last read ended: reading normally goes on there. */
  private readBlock: Block | undefined;
  private readOffset = 0;
  private readAt = 0;

  constructor(host: MemoryLogs, description: LogDescription) {
    this.host = host;
    this.logId = description.logId;
    this.slot = description.slot;
    this.companion = description.companion;
    this.config = description.config;
  }

  /** Bytes of memory that its blocks take. */
  get sizeBytes(): number {
    return this.bytes;
  }

  get segmentCount(): number {
    return this.blocks.length;
  }

  append(bytes: Uint8Array, at: number, length: number, arrivalMs: number): number {
    this.lastAppendWasDuplicate = false;
    if (this.offline !== undefined) throw this.offline;
    const producerId = batch.batchProducerId(bytes, at);
    const duplicateOf = producerId < 0 ? -1 : this.findDuplicate(bytes, at);
    if (duplicateOf >= 0) {
      this.lastAppendWasDuplicate = true;
      return duplicateOf;
    }
    const base = this.nextOffset;
    const end = base + batch.batchLastOffsetDelta(bytes, at) + 1;
    batch.patchBatch(bytes, at, base, this.leaderEpoch);
    const block = this.blockFor(length, base);
    block.bytes.set(at === 0 && length === bytes.length ? bytes : bytes.subarray(at, at + length), block.used);
    block.used += length;
    block.end = end;
    this.nextOffset = end;
    if (producerId >= 0) this.noteProducer(bytes, at, base, arrivalMs);
    this.host.touched(this);
    return base;
  }

  /** The state beside a log without files is not kept either. */
  recordChange(_change: Uint8Array): void {}

  /** What the turn appended can be seen. */
  flush(): void {
    this.logEnd = this.nextOffset;
    this.visibleEnd = Math.min(this.nextOffset, this.transactions?.stableEnd ?? this.nextOffset);
    this.producers?.commitTurn();
    this.transactions?.commitTurn();
  }

  endTransaction(producerId: number, epoch: number, isCommit: boolean): boolean {
    const { transactions } = this;
    const entry = transactions?.find(producerId, epoch);
    if (transactions === undefined || entry?.state !== TransactionState.open) return true;
    const nowMs = Date.now();
    transactions.decide(entry, isCommit);
    const marker = encodeMarker(producerId, epoch, isCommit, nowMs);
    this.append(marker, 0, marker.length, nowMs);
    return true;
  }

  goOffline(error: StorageError): void {
    this.offline ??= error;
  }

  recordsAbove(offset: number): number {
    let records = 0;
    for (const { bytes, used, end } of this.blocks) {
      if (end <= offset) continue;
      let at = 0;
      for (let next = batch.nextBatch(bytes, at, used); next !== -1; next = batch.nextBatch(bytes, at, used)) {
        if (batch.batchLastOffset(bytes, at) >= offset) {
          records += Math.max(0, messagesIn(bytes, at) - Math.max(0, offset - batch.batchBaseOffset(bytes, at)));
        }
        at = next;
      }
    }
    return records;
  }

  /** Frees the blocks that the queue is done with: those below its floor, and a few looks at those in the middle. */
  release(): void {
    const { blocks } = this;
    const floor = this.companion.retainFrom();
    let passed = 0;
    // A block that has room left is kept for what comes next: an idle queue's is small.
    while (passed < blocks.length && blocks[passed]!.end <= floor && !this.isLastWithRoom(passed)) passed++;
    if (passed > 0) for (const block of blocks.splice(0, passed)) this.freed(block);
    this.logStart = Math.max(this.logStart, Math.min(floor, this.nextOffset));
    for (let look = 0; look < MEMORY_RELEASE_LOOKS && blocks.length > 2; look++) this.releaseInside();
  }

  /** Whole batches from the one that holds `offset`, or the first after it. The view stays as it is for as long as anybody holds it. */
  read(offset: number, maxBytes: number): Uint8Array {
    if (this.transactions === undefined) return this.readAll(offset, maxBytes);
    for (let from = offset; ; ) {
      const read = this.readAll(from, maxBytes);
      const kept = this.withoutHidden(read, this.transactions);
      if (kept.length > 0 || read.length === 0) return kept;
      from = this.readOffset;
    }
  }

  private withoutHidden(read: Uint8Array, { aborted }: TransactionTable): Uint8Array {
    for (let at = 0; at < read.length; at += batch.batchLength(read, at)) {
      if (!isHidden(read, at, aborted)) continue;
      const copy = read.slice();
      return copy.subarray(0, keepVisible(copy, copy.length, aborted));
    }
    return read;
  }

  private readAll(offset: number, maxBytes: number): Uint8Array {
    const index = this.blockAt(offset);
    const block = this.blocks[index];
    if (block === undefined) return NO_BYTES;
    const { bytes, used } = block;
    let at = this.readBlock === block && offset >= this.readOffset ? this.readAt : 0;
    let next = batch.nextBatch(bytes, at, used);
    while (next !== -1 && batch.batchLastOffset(bytes, at) < offset) {
      at = next;
      next = batch.nextBatch(bytes, at, used);
    }
    if (next === -1) return NO_BYTES;
    let end = next;
    let last = at;
    for (next = batch.nextBatch(bytes, end, used); next !== -1 && next - at <= maxBytes; ) {
      last = end;
      end = next;
      next = batch.nextBatch(bytes, end, used);
    }
    this.readBlock = block;
    this.readOffset = batch.batchLastOffset(bytes, last) + 1;
    this.readAt = end;
    return bytes.subarray(at, end);
  }

  /** Gives everything back. */
  clear(): void {
    for (const block of this.blocks.splice(0)) this.freed(block);
    this.readBlock = undefined;
  }

  private findDuplicate(bytes: Uint8Array, at: number): number {
    if (batch.batchIsControl(bytes, at) || batch.batchProducerId(bytes, at) >= OWN_PRODUCER_ID_FIRST) return -1;
    this.producers ??= new ProducerState();
    const epoch = batch.batchProducerEpoch(bytes, at);
    const first = batch.batchBaseSequence(bytes, at);
    return this.producers.check(batch.batchProducerId(bytes, at), epoch, first, batch.batchLastSequence(bytes, at));
  }

  private noteProducer(bytes: Uint8Array, at: number, base: number, arrivalMs: number): void {
    if (batch.batchIsTransactional(bytes, at)) {
      this.transactions ??= new TransactionTable();
      this.transactions.append(bytes, at);
    }
    if (batch.batchProducerId(bytes, at) >= OWN_PRODUCER_ID_FIRST) return;
    this.producers ??= new ProducerState();
    const first = batch.batchIsControl(bytes, at) ? -1 : batch.batchBaseSequence(bytes, at);
    const last = batch.batchLastSequence(bytes, at);
    const producerId = batch.batchProducerId(bytes, at);
    this.producers.append(producerId, batch.batchProducerEpoch(bytes, at), first, last, base, arrivalMs);
  }

  private blockFor(length: number, base: number): Block {
    const last = this.blocks[this.blocks.length - 1];
    if (last !== undefined && last.used + length <= last.bytes.length) return last;
    const wanted = Math.max(MEMORY_BLOCK_MIN_BYTES, Math.min(MEMORY_BLOCK_MAX_BYTES, this.bytes));
    const bytes = new Uint8Array(Math.max(length, wanted));
    const block = { bytes, used: 0, end: base, settledBelow: base };
    this.blocks.push(block);
    this.bytes += bytes.length;
    this.host.grown(bytes.length);
    return block;
  }

  private isLastWithRoom(index: number): boolean {
    const { bytes, used } = this.blocks[index]!;
    if (index !== this.blocks.length - 1) return false;
    return bytes.length <= MEMORY_BLOCK_MIN_BYTES && used < bytes.length;
  }

  /** Looks at one block between the first and the last. */
  private releaseInside(): void {
    if (this.nextLook >= this.blocks.length - 1) this.nextLook = 1;
    const block = this.blocks[this.nextLook]!;
    while (block.settledBelow < block.end && this.companion.isAcknowledged(block.settledBelow)) block.settledBelow++;
    if (block.settledBelow < block.end) this.nextLook++;
    else for (const done of this.blocks.splice(this.nextLook, 1)) this.freed(done);
  }

  private freed(block: Block): void {
    this.bytes -= block.bytes.length;
    this.host.grown(-block.bytes.length);
    if (this.readBlock === block) this.readBlock = undefined;
  }

  /** The number of the first block that ends above `offset`. */
  private blockAt(offset: number): number {
    const { blocks } = this;
    let low = 0;
    let high = blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (blocks[middle]!.end <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The memory logs of one shard: how much they take together, and how the owner's deliveries read them. */
export class MemoryLogs {
  private readonly table: PartitionProgress;
  private readonly logs = new Map<number, MemoryLog>();
  private turn: MemoryLog[] = [];
  private bytes = 0;

  constructor(table: PartitionProgress) {
    this.table = table;
  }

  /** Bytes of memory that messages take, of all logs. */
  get sizeBytes(): number {
    return this.bytes;
  }

  get count(): number {
    return this.logs.size;
  }

  /** Makes a log; it is there at once. `config` and `appendFailed` mean nothing to it. */
  create(description: LogDescription): MemoryLog {
    const { logId } = description;
    assert(!this.logs.has(logId), `Memory log ${logId} is here already`);
    const log = new MemoryLog(this, description);
    this.logs.set(logId, log);
    description.companion.restore(undefined);
    this.table.publish(log);
    return log;
  }

  /** Removes a log and what it holds; nothing happens when it is not here. */
  delete(logId: number): void {
    const log = this.logs.get(logId);
    if (log === undefined) return;
    this.logs.delete(logId);
    log.goOffline(new StorageError('log-not-found', `Log ${logId} was deleted`));
    log.clear();
  }

  log(logId: number): MemoryLog | undefined {
    return this.logs.get(logId);
  }

  /** End of a turn: what was appended can be seen. */
  flush(): void {
    if (this.turn.length === 0) return;
    const { turn } = this;
    this.turn = [];
    for (const log of turn) {
      log.isTouched = false;
      if (log.offline !== undefined) continue;
      log.flush();
      this.table.publish(log);
    }
  }

  /** Reads for the owner's deliveries; whoever asks for a log that is not here gets nothing. */
  read(logId: number, _slot: number, offset: number, maxBytes: number, _end: number): Uint8Array {
    return this.logs.get(logId)?.read(offset, maxBytes) ?? NO_BYTES;
  }

  /** Memory logs are not searched by time. */
  offsetForTime(): undefined {
    return undefined;
  }

  /** Nothing is kept open. */
  forget(_logId: number): void {}

  touched(log: MemoryLog): void {
    if (log.isTouched) return;
    log.isTouched = true;
    this.turn.push(log);
  }

  grown(bytes: number): void {
    this.bytes += bytes;
  }
}
