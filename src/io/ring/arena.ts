import { assert } from '../../base/assert.js';
import { arenaBufferBytes, arenaDataOffset } from './budget.js';
import { ARENA_GRANULE_BYTES, ARENA_HELD_WORD, ARENA_RELEASES_WORD } from './layout.js';

/** What `allocate` returns while there is no room. */
export const ARENA_FULL = -1;

const NOBODY = -1;

/** The common view of an arena: its bytes and its control words. */
class ArenaMemory {
  readonly granules: number;
  protected readonly control: Int32Array;
  private readonly buffer: SharedArrayBuffer;
  private readonly dataOffset: number;

  constructor(buffer: SharedArrayBuffer, granules: number) {
    assert(buffer.byteLength === arenaBufferBytes(granules), `An arena buffer of ${buffer.byteLength} bytes`);
    this.buffer = buffer;
    this.granules = granules;
    this.dataOffset = arenaDataOffset(granules);
    this.control = new Int32Array(buffer, 0, ARENA_HELD_WORD + granules);
  }

  /** The first `length` bytes of the extent that starts at `granule`. Valid until the extent is released. */
  bytes(granule: number, length: number): Buffer {
    assert(
      granule >= 0 && length >= 0 && granule * ARENA_GRANULE_BYTES + length <= this.granules * ARENA_GRANULE_BYTES,
      `An extent of ${length} bytes at granule ${granule} lies outside its arena of ${this.granules}`,
    );
    return Buffer.from(this.buffer, this.dataOffset + granule * ARENA_GRANULE_BYTES, length);
  }
}

/**
 * The arena as its own shard sees it: allocates extents for bodies that are too large for a ring. First fit over a list of free runs
 * sorted by place, neighbours joined on freeing.
 *
 * Nobody starves: after a requester was refused, the others are refused as well until it got its extent or gave up, so that the arena
 * drains for it.
 */
export class ArenaOwner extends ArenaMemory {
  private readonly freeStarts: number[] = [];
  private readonly freeLengths: number[] = [];
  /** Granules of every allocated extent, by its first granule. */
  private readonly allocated = new Map<number, number>();
  private seenReleases = 0;
  private turn = NOBODY;
  private usedGranules = 0;
  private changes = 0;

  constructor(buffer: SharedArrayBuffer, granules: number) {
    super(buffer, granules);
    if (granules > 0) {
      this.freeStarts.push(0);
      this.freeLengths.push(granules);
    }
    this.seenReleases = Atomics.load(this.control, ARENA_RELEASES_WORD);
  }

  /**
   * An extent of at least `length` bytes for a receiver, who releases it. Returns its first granule, or ARENA_FULL. `requester` is any
   * number of at least 0 that tells apart those who wait for room.
   */
  allocate(length: number, requester: number): number {
    const needed = Math.ceil(length / ARENA_GRANULE_BYTES);
    assert(needed > 0 && needed <= this.granules, `A body of ${length} bytes exceeds its arena`);
    assert(requester >= 0, `An extent asked for by ${requester}`);
    if (this.turn !== NOBODY && this.turn !== requester) return ARENA_FULL;
    this.collect();
    const start = this.takeFirstFit(needed);
    if (start === ARENA_FULL) {
      this.turn = requester;
      return ARENA_FULL;
    }
    this.giveUp(requester);
    this.allocated.set(start, needed);
    this.usedGranules += needed;
    Atomics.store(this.control, ARENA_HELD_WORD + start, 1);
    return start;
  }

  /** Ends the turn of a requester that was refused and cannot use an extent now, if it is its turn. */
  giveUp(requester: number): void {
    if (this.turn !== requester) return;
    this.turn = NOBODY;
    this.changes++;
  }

  /** Moves whenever somebody who was refused may have better luck now. */
  get version(): number {
    return this.changes;
  }

  /** Whether receivers have released extents that `collect` has not taken back yet. */
  hasReleases(): boolean {
    return Atomics.load(this.control, ARENA_RELEASES_WORD) !== this.seenReleases;
  }

  /** Takes back the extents that their receivers have released. Returns whether there were any. */
  collect(): boolean {
    const releases = Atomics.load(this.control, ARENA_RELEASES_WORD);
    if (releases === this.seenReleases) return false;
    this.seenReleases = releases;
    this.changes++;
    for (const start of this.allocated.keys()) {
      if (Atomics.load(this.control, ARENA_HELD_WORD + start) === 0) this.free(start);
    }
    return true;
  }

  /** Bytes in extents that are not taken back yet. */
  get usedBytes(): number {
    return this.usedGranules * ARENA_GRANULE_BYTES;
  }

  /** The free runs in order, as [first granule, granules]; for tests and metrics. */
  freeRuns(): [number, number][] {
    return this.freeStarts.map((start, index) => [start, this.freeLengths[index]!]);
  }

  private takeFirstFit(needed: number): number {
    const index = this.freeLengths.findIndex((length) => length >= needed);
    if (index < 0) return ARENA_FULL;
    const start = this.freeStarts[index]!;
    const rest = this.freeLengths[index]! - needed;
    if (rest === 0) {
      this.freeStarts.splice(index, 1);
      this.freeLengths.splice(index, 1);
    } else {
      this.freeStarts[index] = start + needed;
      this.freeLengths[index] = rest;
    }
    return start;
  }

  private free(start: number): void {
    const length = this.allocated.get(start);
    assert(length !== undefined, `Granule ${start} starts no extent`);
    this.allocated.delete(start);
    this.usedGranules -= length;
    let index = this.freeStarts.findIndex((freeStart) => freeStart > start);
    if (index < 0) index = this.freeStarts.length;
    this.freeStarts.splice(index, 0, start);
    this.freeLengths.splice(index, 0, length);
    this.joinWithNext(index);
    if (index > 0) this.joinWithNext(index - 1);
  }

  private joinWithNext(index: number): void {
    const nextStart = this.freeStarts[index + 1];
    if (nextStart === undefined || this.freeStarts[index]! + this.freeLengths[index]! !== nextStart) return;
    this.freeLengths[index] = this.freeLengths[index]! + this.freeLengths[index + 1]!;
    this.freeStarts.splice(index + 1, 1);
    this.freeLengths.splice(index + 1, 1);
  }
}

/** Another shard's arena: its bodies can be read and released. */
export class ArenaReader extends ArenaMemory {
  /** Gives the extent that starts at `granule` back. The arena's shard is to be woken afterwards: it may wait for room. */
  release(granule: number): void {
    const before = Atomics.exchange(this.control, ARENA_HELD_WORD + granule, 0);
    assert(before === 1, `The extent at granule ${granule} was released twice`);
    Atomics.add(this.control, ARENA_RELEASES_WORD, 1);
  }
}
