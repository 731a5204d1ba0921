/**
 * The transactions of one log: which are open, which offsets were aborted. It follows from the log's batches alone, as in Kafka: a transactional batch
 * opens its producer's transaction, a marker ends it. Appends since the last `commitTurn` can be taken back.
 */
import * as batch from '../record/batch-header.js';
import { readMarker } from './transaction-marker.js';

/** Producer ids from here on are given out by the node's own transaction coordinators, and never twice. */
export const OWN_PRODUCER_ID_FIRST = 2 ** 52;

/** Undecided, or decided while the marker is still owed to the log; the numbers are on disk. */
export const TransactionState = { open: 0, committed: 1, aborted: 2 } as const;
export type TransactionState = (typeof TransactionState)[keyof typeof TransactionState];

/** Offsets from `from` up to but without `to`, all of one transaction, and how many messages they are. */
export interface TransactionExtent {
  readonly from: number;
  readonly to: number;
  readonly records: number;
}

/** A transaction whose marker is not in the log. */
export interface OpenTransaction {
  readonly producerId: number;
  readonly epoch: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** Its batches, ascending; those that follow each other are one. */
  readonly extents: readonly TransactionExtent[];
  readonly state: TransactionState;
}

/** Offsets that hold batches of an aborted transaction, and perhaps others between them. */
export interface AbortedRange {
  readonly producerId: number;
  readonly epoch: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

const NOTHING: readonly AbortedRange[] = [];
/** Never written to. */
const NONE_OPEN = new Map<number, OpenTransaction>();
const NOTHING_BEFORE = new Map<number, OpenTransaction | undefined>();

/** See the top of this file. */
export class TransactionTable {
  /** There are transactional batches or markers in the log: readers must look. */
  hasAny = false;
  private ranges: readonly AbortedRange[] = NOTHING;
  /** By producer id, in the order of their first offsets. */
  private open = NONE_OPEN;
  /** Entries as they were before the turn; undefined for those that were not there. */
  private before = NOTHING_BEFORE;

  /** In the order in which they were aborted. */
  get aborted(): readonly AbortedRange[] {
    return this.ranges;
  }

  /** Transactions without a marker, decided or not. */
  get openCount(): number {
    return this.open.size;
  }

  /** Those transactions, by their first offsets. */
  values(): IterableIterator<OpenTransaction> {
    return this.open.values();
  }

  find(producerId: number, epoch: number): OpenTransaction | undefined {
    const found = this.open.get(producerId);
    return found?.epoch === epoch ? found : undefined;
  }

  /** The first offset that may not be shown, or Infinity. */
  get stableEnd(): number {
    if (this.open.size === 0) return Number.POSITIVE_INFINITY;
    let first = Number.POSITIVE_INFINITY;
    for (const { state, firstOffset } of this.open.values()) {
      if (state === TransactionState.open && firstOffset < first) first = firstOffset;
    }
    return first;
  }

  /** Takes over what a checkpoint says. */
  restore(open: readonly OpenTransaction[], aborted: readonly AbortedRange[]): void {
    this.begin();
    for (const entry of open) this.open.set(entry.producerId, entry);
    this.ranges = aborted;
  }

  /** Notes an appended batch, which has its offset; nothing happens for one outside of transactions. */
  append(bytes: Uint8Array, at: number): void {
    if (!batch.batchIsTransactional(bytes, at)) return;
    this.begin();
    const producerId = batch.batchProducerId(bytes, at);
    const known = this.open.get(producerId);
    if (!this.before.has(producerId)) this.before.set(producerId, known);
    if (batch.batchIsControl(bytes, at)) this.ended(known, readMarker(bytes, at) === 'abort');
    else this.extend(producerId, known, bytes, at);
  }

  /** The maps are made with the first transaction: there may be many thousands of logs without one. */
  private begin(): void {
    this.hasAny = true;
    if (this.open === NONE_OPEN) this.open = new Map();
    if (this.before === NOTHING_BEFORE) this.before = new Map();
  }

  /** Decides an open transaction; its marker is owed from then on. */
  decide(entry: OpenTransaction, isCommit: boolean): void {
    const state = isCommit ? TransactionState.committed : TransactionState.aborted;
    this.open.set(entry.producerId, { ...entry, state });
    // The decision stands, whatever becomes of this turn's batches: they were written before.
    this.before.delete(entry.producerId);
    if (!isCommit) this.addAborted(entry);
  }

  /** Decides what a crash has left open. Returns what of it is aborted, or undefined when nothing was open. */
  resolve(isCommitted: (producerId: number, epoch: number) => boolean): TransactionExtent[] | undefined {
    let aborted: TransactionExtent[] | undefined;
    for (const entry of [...this.open.values()]) {
      if (entry.state !== TransactionState.open) continue;
      aborted ??= [];
      const isCommit = isCommitted(entry.producerId, entry.epoch);
      this.decide(entry, isCommit);
      if (!isCommit) aborted.push(...entry.extents);
    }
    return aborted;
  }

  /** Forgets aborted ranges below the log's start. */
  prune(logStart: number): void {
    if (this.ranges.some(({ lastOffset }) => lastOffset < logStart)) {
      this.ranges = this.ranges.filter(({ lastOffset }) => lastOffset >= logStart);
    }
  }

  /** What was noted since the last call is in the file. */
  commitTurn(): void {
    if (this.before.size > 0) this.before.clear();
  }

  /** What was noted since the last `commitTurn` did not happen. */
  rollbackTurn(): void {
    for (const [producerId, entry] of this.before) {
      if (entry === undefined) this.open.delete(producerId);
      else this.open.set(producerId, entry);
    }
    this.before.clear();
  }

  private ended(entry: OpenTransaction | undefined, isAbort: boolean): void {
    if (entry === undefined) return;
    // Read back by recovery: nobody has decided it here.
    if (isAbort && entry.state === TransactionState.open) this.addAborted(entry);
    this.open.delete(entry.producerId);
  }

  private extend(producerId: number, known: OpenTransaction | undefined, bytes: Uint8Array, at: number): void {
    const epoch = batch.batchProducerEpoch(bytes, at);
    const firstOffset = batch.batchBaseOffset(bytes, at);
    const lastOffset = batch.batchLastOffset(bytes, at);
    const extent = { from: firstOffset, to: lastOffset + 1, records: batch.batchRecordsCount(bytes, at) };
    const isSame = known?.epoch === epoch && known.state === TransactionState.open;
    if (isSame) this.open.set(producerId, { ...known, lastOffset, extents: withExtent(known.extents, extent) });
    else {
      const state = TransactionState.open;
      this.open.set(producerId, { producerId, epoch, firstOffset, lastOffset, extents: [extent], state });
    }
  }

  private addAborted({ producerId, epoch, firstOffset, lastOffset }: OpenTransaction): void {
    this.ranges = [...this.ranges, { producerId, epoch, firstOffset, lastOffset }];
  }
}

function withExtent(known: readonly TransactionExtent[], extent: TransactionExtent): readonly TransactionExtent[] {
  const last = known[known.length - 1];
  if (last?.to !== extent.from) return [...known, extent];
  return [...known.slice(0, -1), { from: last.from, to: extent.to, records: last.records + extent.records }];
}

/**
 * Moves together what readers may see of whole batches: markers and batches of aborted ranges are left out. `bytes` up to `length` is changed in
 * place. Returns how many bytes are left.
 */
export function keepVisible(bytes: Uint8Array, length: number, aborted: readonly AbortedRange[]): number {
  let kept = 0;
  for (let at = 0, next = 0; at < length; at = next) {
    next = at + batch.batchLength(bytes, at);
    if (isHidden(bytes, at, aborted)) continue;
    if (kept !== at) bytes.copyWithin(kept, at, next);
    kept += next - at;
  }
  return kept;
}

/** Whether a batch is a marker, or belongs to an aborted transaction. */
export function isHidden(bytes: Uint8Array, at: number, aborted: readonly AbortedRange[]): boolean {
  if (batch.batchIsControl(bytes, at)) return true;
  if (aborted.length === 0 || !batch.batchIsTransactional(bytes, at)) return false;
  const producerId = batch.batchProducerId(bytes, at);
  const epoch = batch.batchProducerEpoch(bytes, at);
  const offset = batch.batchBaseOffset(bytes, at);
  for (let index = aborted.length - 1; index >= 0; index--) {
    const range = aborted[index]!;
    if (range.producerId !== producerId || range.epoch !== epoch) continue;
    if (offset >= range.firstOffset && offset <= range.lastOffset) return true;
  }
  return false;
}
