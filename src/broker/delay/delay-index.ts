/**
 * What a log holds, by time: the near part in a heap, the rest known to the log alone, and scans of the log that bring the two together, count, and find
 * what is to go.
 */
import type { StoredRecord } from '../push-reader.js';
import { DueHeap } from './due-heap.js';
import { HeldExchanges } from './held-exchanges.js';
import { exchangeKey, type HeldMessage, idHashOf, readHeld } from './held-record.js';
import { HeldScan } from './held-scan.js';
import { REFILL_FRACTION } from './limits.js';
import type { DelayHost, DelayParts } from './parts.js';

/** Something that a scan of the whole log, begun after it was asked for, does on its way. */
export interface ScanWish {
  /** Whether the message is to go. Not asked of messages that are being fired. */
  readonly takes?: (held: HeldMessage, offset: number) => boolean;
  readonly done: () => void;
}

/** A message that was appended. */
export interface NewEntry {
  readonly offset: number;
  readonly fireAtMs: number;
  readonly idHash: number;
  readonly vhost: string;
  readonly exchange: string;
}

/** See the top of this file. */
export class DelayIndex {
  private readonly host: DelayHost;
  private readonly parts: DelayParts;
  private readonly isFiring: (offset: number) => boolean;
  private readonly heap: DueHeap;
  private readonly exchanges = new HeldExchanges();
  /** By exchange: what lies below this offset is dropped, since the exchange was deleted. */
  private readonly dropped = new Map<string, number>();
  private scan: HeldScan | undefined;
  private wishes: ScanWish[] = [];
  /** Those of the scan under way. */
  private granted: ScanWish[] = [];
  private isStarted = false;
  /** The first scan is done: every message is counted, and all but far ones are in the heap. */
  private isCounted = false;
  private isFilling = false;
  /** While a scan fills the heap: all that comes before is there. */
  private filledMs = Number.NEGATIVE_INFINITY;
  private filledOffset = 0;
  /** Messages that the scan under way has taken out. */
  private taken = 0;

  constructor(host: DelayHost, parts: DelayParts, isFiring: (offset: number) => boolean) {
    this.host = host;
    this.parts = parts;
    this.isFiring = isFiring;
    this.heap = new DueHeap(parts.nearEntriesMax);
  }

  /** When the next message is due; Infinity while that is not known, or there is none. */
  get dueMs(): number {
    const { topMs, topOffset } = this.heap;
    return this.isKnown(topMs, topOffset) ? topMs : Number.POSITIVE_INFINITY;
  }

  get dueOffset(): number {
    return this.heap.topOffset;
  }

  /** Number of its exchange. */
  get dueExchange(): number {
    return this.heap.topExchange;
  }

  /** Bytes of the heap. */
  get sizeBytes(): number {
    return this.heap.sizeBytes;
  }

  /** Everything that is held is in the heap, or being fired. */
  get isComplete(): boolean {
    return this.isCounted && !this.heap.isLimited && this.scan === undefined;
  }

  /** From now on it follows the log, beginning with a scan. */
  start(): void {
    this.isStarted = true;
  }

  /** The first message leaves the heap: it goes out, or was settled before. */
  pop(): void {
    this.heap.pop();
  }

  /** A message can be read from now on. */
  add(entry: NewEntry): void {
    // The scan that a start begins with will find it.
    if (!this.isStarted || (this.scan === undefined && !this.isCounted)) return;
    const { offset, vhost, exchange } = entry;
    const id = this.exchanges.add(vhost, exchange);
    if (this.isDropped(vhost, exchange, offset)) this.settle(offset, id);
    else this.heap.push(entry.fireAtMs, offset, entry.idHash, id);
  }

  /** Ends a message: nothing is held at `offset` any more. */
  settle(offset: number, exchange: number): void {
    const { cursor } = this.host;
    if (cursor.isAcknowledged(offset)) return;
    cursor.skip(offset, offset + 1, 1);
    this.exchanges.remove(exchange);
    this.host.touch();
  }

  /** Whether the message belongs to an exchange that was deleted since. */
  isDropped(vhost: string, exchange: string, offset: number): boolean {
    return this.dropped.size > 0 && offset < (this.dropped.get(exchangeKey(vhost, exchange)) ?? 0);
  }

  /** An exchange was deleted: what was appended for it so far goes. */
  exchangeDeleted(vhost: string, exchange: string): void {
    const { cursor, nextOffset } = this.host;
    const isNothingHeld = this.isCounted && this.exchanges.idOf(vhost, exchange) === 0 && nextOffset === cursor.end;
    if (isNothingHeld || cursor.floor === nextOffset) return;
    const key = exchangeKey(vhost, exchange);
    this.dropped.set(key, nextOffset);
    const done = (): void => {
      if (this.dropped.get(key) === nextOffset) this.dropped.delete(key);
    };
    this.wish({ done });
  }

  /** Has a scan of the whole log do something. */
  wish(wish: ScanWish): void {
    this.wishes.push(wish);
    this.host.touch();
  }

  /** Messages in the heap whose id may be the one with this hash, ascending. */
  withIdHash(hash: number): number[] {
    return this.heap.withIdHash(hash).sort((left, right) => left - right);
  }

  /** The exchange's number; 0 when nothing is held for it. */
  idOf(vhost: string, exchange: string): number {
    return this.exchanges.idOf(vhost, exchange);
  }

  /** How many messages are held, and when the first of them is due: Infinity when none is, or it is a far one. */
  counts(vhost: string, exchange: string | undefined): { held: number; nextFireMs: number } {
    const selected = this.exchanges.select(vhost, exchange);
    const ids = new Set(selected.map(({ id }) => id));
    const held = selected.reduce((sum, entry) => sum + entry.held, 0);
    const { cursor } = this.host;
    const nextFireMs =
      held === 0
        ? Number.POSITIVE_INFINITY
        : this.heap.earliest((id, offset) => ids.has(id) && !cursor.isAcknowledged(offset));
    return { held, nextFireMs };
  }

  /** Goes on with the scan that is needed, if one is. */
  advance(): 'idle' | 'more' | 'wait' {
    if (this.scan === undefined) {
      if (!this.needsScan) return 'idle';
      this.beginScan();
    }
    const progress = this.scan?.advance() ?? 'done';
    if (progress !== 'done') return progress;
    this.endScan();
    return this.needsScan ? 'more' : 'idle';
  }

  /** Nothing is held any more. */
  clear(): void {
    this.heap.clear();
    this.exchanges.clear();
  }

  private get needsScan(): boolean {
    return this.isStarted && (!this.isCounted || this.wishes.length > 0 || this.runsLow);
  }

  private get runsLow(): boolean {
    return this.heap.isLimited && this.heap.size < this.parts.nearEntriesMax * REFILL_FRACTION;
  }

  private beginScan(): void {
    this.granted = this.wishes;
    this.wishes = [];
    this.isFilling = !this.isCounted || this.runsLow;
    if (this.isCounted) {
      this.filledMs = this.heap.limitMs;
      this.filledOffset = this.heap.limitOffset;
    }
    if (this.isFilling) this.heap.lift();
    this.scan = new HeldScan(this.host, this.parts.scannedPerTurn, (record) => this.visit(record));
  }

  private endScan(): void {
    this.scan = undefined;
    this.isCounted = true;
    this.isFilling = false;
    if (this.taken > 0) this.heap.filter((offset) => !this.host.cursor.isAcknowledged(offset));
    this.taken = 0;
    const granted = this.granted;
    this.granted = [];
    for (const wish of granted) wish.done();
  }

  private visit(record: StoredRecord): void {
    const { offset } = record;
    if (this.isFiring(offset)) return;
    const held = readHeld(record.headers);
    if (held === undefined) return;
    const { vhost, envelope, exchange } = held;
    const isFirst = !this.isCounted;
    const id = isFirst ? this.exchanges.add(vhost, exchange) : this.exchanges.idOf(vhost, exchange);
    const isOrphan = isFirst && !this.parts.exchangeExists(vhost, exchange);
    if (isOrphan || this.isDropped(vhost, exchange, offset) || this.isWanted(held, offset)) {
      this.settle(offset, id);
      this.taken++;
    } else if (this.isFilling && !this.isFilled(held.fireAtMs, offset)) {
      this.heap.push(held.fireAtMs, offset, idHashOf(envelope.properties), id);
    }
  }

  private isWanted(held: HeldMessage, offset: number): boolean {
    let isWanted = false;
    for (const wish of this.granted) if (wish.takes?.(held, offset) === true) isWanted = true;
    return isWanted;
  }

  /** Whether no message that is due earlier can be missing from the heap. */
  private isKnown(atMs: number, offset: number): boolean {
    return !this.isFilling || this.isFilled(atMs, offset);
  }

  /** Before a scan began to fill the heap, this place was within it already, and it still is. */
  private isFilled(atMs: number, offset: number): boolean {
    return atMs < this.filledMs || (atMs === this.filledMs && offset < this.filledOffset);
  }
}
