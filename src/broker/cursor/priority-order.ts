/**
 * Delivers the highest priority first, and within one the smallest offset. What waits is one bitmap per priority, so that a message costs a bit and a
 * long run of one priority nothing: ten million messages of ten priorities take about 13 MB.
 */
import { assert } from '../../base/assert.js';
import type { DeliveryOrder } from './delivery-order.js';
import { CHUNK_OFFSETS } from './limits.js';
import { OffsetBitmap } from './offset-bitmap.js';
import type { PriorityLeases } from './priority-leases.js';

/** See the top of this file. */
export class PriorityOrder implements DeliveryOrder {
  readonly maxPriority: number;
  private readonly leases: PriorityLeases;
  /** By priority; made when a message of it comes. */
  private readonly waiting: (OffsetBitmap | undefined)[] = [];
  /** Which priority what was handed out has; what is settled may stay here until the floor passes it. */
  private readonly handed: (OffsetBitmap | undefined)[] = [];
  /** The offset after the highest that was handed out, by priority. */
  private readonly handedTo: number[] = [];
  private trimmedTo = 0;
  /** False while what was here before the start is not known yet: nothing is delivered until then. */
  isComplete = true;

  constructor(maxPriority: number, leases: PriorityLeases) {
    this.maxPriority = maxPriority;
    this.leases = leases;
  }

  /** Bytes of bitmaps in use. */
  get bitmapBytes(): number {
    let bytes = 0;
    for (const bitmap of [...this.waiting, ...this.handed]) bytes += bitmap?.wordBytes ?? 0;
    return bytes;
  }

  /** A message of this priority is there. */
  add(offset: number, priority: number): void {
    at(this.waiting, priority).add(offset);
  }

  /** The first waiting offset of a priority, whether it may be delivered or not; -1 without any. */
  first(priority: number): number {
    return this.waiting[priority]?.first() ?? -1;
  }

  /** How many messages of a priority wait. */
  waitingCount(priority: number): number {
    return this.waiting[priority]?.size ?? 0;
  }

  next(visibleEnd: number): number {
    if (!this.isComplete) return -1;
    for (let priority = this.maxPriority; priority >= 0; priority--) {
      const offset = this.first(priority);
      if (offset < 0 || offset >= visibleEnd) continue;
      return this.leases.covers(priority, offset) ? offset : -1;
    }
    return -1;
  }

  taken(offset: number): void {
    const priority = find(this.waiting, offset);
    assert(priority >= 0, `Cannot deliver ${offset}: it does not wait`);
    this.waiting[priority]!.delete(offset);
    at(this.handed, priority).add(offset);
    this.handedTo[priority] = Math.max(this.handedTo[priority] ?? 0, offset + 1);
  }

  returned(offset: number): void {
    const priority = find(this.handed, offset);
    assert(priority >= 0, `Message ${offset} came back and was not handed out`);
    this.handed[priority]!.delete(offset);
    this.waiting[priority]!.add(offset);
  }

  settled(from: number, to: number): void {
    for (const bitmap of this.waiting) bitmap?.deleteRange(from, to);
  }

  withdrawn(fromOffset: number): void {
    this.settled(fromOffset, Number.MAX_SAFE_INTEGER);
  }

  floorRaised(floor: number): void {
    if (floor - this.trimmedTo < CHUNK_OFFSETS) return;
    this.trimmedTo = floor;
    for (const bitmap of this.handed) bitmap?.deleteRange(0, floor);
  }

  isRedelivered(offset: number): boolean {
    const waiting = find(this.waiting, offset);
    return this.leases.isRedelivered(waiting >= 0 ? waiting : Math.max(0, find(this.handed, offset)), offset);
  }

  /** For an orderly stop: nothing is flagged redelivered without need. */
  tightenLease(): void {
    this.leases.tighten(this.handedTo);
  }
}

function at(bitmaps: (OffsetBitmap | undefined)[], priority: number): OffsetBitmap {
  let bitmap = bitmaps[priority];
  if (bitmap === undefined) {
    bitmap = new OffsetBitmap();
    bitmaps[priority] = bitmap;
  }
  return bitmap;
}

/** The priority whose bitmap holds `offset`, or -1; higher ones are likelier. */
function find(bitmaps: readonly (OffsetBitmap | undefined)[], offset: number): number {
  for (let priority = bitmaps.length - 1; priority >= 0; priority--) {
    const bitmap = bitmaps[priority];
    if (bitmap !== undefined && bitmap.size > 0 && bitmap.has(offset)) return priority;
  }
  return -1;
}
