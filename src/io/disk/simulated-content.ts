import { assert } from '../../base/assert.js';
import type { Prng } from '../../base/prng.js';

/** What one sync covers: the file as it was when the sync began. */
export interface SyncSnapshot {
  readonly writeNumber: number;
  readonly size: number;
  readonly ranges: readonly { readonly position: number; readonly bytes: Uint8Array }[];
  /** The least size that the file has had since the sync began. */
  lowestSize: number;
}

/** How many sectors are taken on the simulated device, shared by all its files. */
export interface SectorAccount {
  used: number;
  capacity: number;
}

/**
 * One file's content twice: live, which programs see, and durable, which power loss leaves. Bytes beyond either image's
 * size are kept zero in its array, so that growing a file shows zeros.
 */
export class SimulatedContent {
  private readonly sectorBytes: number;
  private readonly account: SectorAccount;
  private live = new Uint8Array(0);
  private liveSize = 0;
  private durable = new Uint8Array(0);
  private durableSize = 0;
  /** One byte per sector: 1 when it occupies space. */
  private allocated = new Uint8Array(0);
  private allocatedCount = 0;
  /** Sectors that differ from the durable image as far as the kernel knows, with the number of the last write to each. */
  private readonly dirty = new Map<number, number>();
  private writeNumber = 0;
  private lastDurableWriteNumber = 0;
  /** The least size since the last sync: what lies above it was cut off at some time. */
  private lowestSize = 0;
  private readonly syncs = new Set<SyncSnapshot>();

  constructor(sectorBytes: number, account: SectorAccount) {
    this.sectorBytes = sectorBytes;
    this.account = account;
  }

  get size(): number {
    return this.liveSize;
  }

  /** How many bytes power loss can take away: those of dirty sectors. */
  get dirtySectorCount(): number {
    return this.dirty.size;
  }

  read(target: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(target.length, this.liveSize - position));
    if (count > 0) target.set(this.live.subarray(position, position + count));
    return count;
  }

  /** Writes as many of `bytes` as there is room for on the device, and says how many those are. */
  write(bytes: Uint8Array, position: number): number {
    const count = this.takeSectors(position, bytes.length);
    if (count === 0) return 0;
    const end = position + count;
    this.live = grown(this.live, end);
    this.live.set(count === bytes.length ? bytes : bytes.subarray(0, count), position);
    this.liveSize = Math.max(this.liveSize, end);
    this.markDirty(position, end);
    return count;
  }

  truncate(size: number): void {
    if (size < this.liveSize) {
      this.live.fill(0, size, this.liveSize);
      this.giveSectors(Math.ceil(size / this.sectorBytes));
      this.markDirty(size, this.liveSize);
      this.lowestSize = Math.min(this.lowestSize, size);
      for (const sync of this.syncs) sync.lowestSize = Math.min(sync.lowestSize, size);
    } else {
      this.live = grown(this.live, size);
    }
    this.liveSize = size;
  }

  /** Gives all space back; the file has no name and no handle any more. */
  release(): void {
    this.giveSectors(0);
  }

  beginSync(): SyncSnapshot {
    const ranges = this.dirtyRanges().map(([start, end]) => {
      return { position: start, bytes: this.live.slice(start, Math.min(end, this.liveSize)) };
    });
    const sync = { writeNumber: this.writeNumber, size: this.liveSize, ranges, lowestSize: this.liveSize };
    this.syncs.add(sync);
    return sync;
  }

  /** Makes durable what the sync covers. One that a later sync has overtaken changes nothing. */
  completeSync(sync: SyncSnapshot): void {
    this.syncs.delete(sync);
    if (sync.writeNumber < this.lastDurableWriteNumber) return;
    this.lastDurableWriteNumber = sync.writeNumber;
    this.resizeDurable(sync.size);
    for (const { position, bytes } of sync.ranges) this.durable.set(bytes, position);
    this.lowestSize = sync.lowestSize;
    this.forgetDirtyUpTo(sync.writeNumber);
  }

  /**
   * The kernel reports a failed write-back once and takes the pages for clean: what the sync covered is still read by
   * programs, but no later sync writes it.
   */
  failSync(sync: SyncSnapshot): void {
    this.syncs.delete(sync);
    this.forgetDirtyUpTo(sync.writeNumber);
  }

  /** Power loss: every dirty sector may or may not have reached the device, and the size may be anything on its way. */
  crash(prng: Prng): void {
    const image = this.crashImage(prng);
    this.live = image;
    this.durable = image.slice();
    this.liveSize = image.length;
    this.durableSize = image.length;
    this.lowestSize = image.length;
    this.dirty.clear();
    this.syncs.clear();
    this.giveSectors(0);
    this.takeSectors(0, this.liveSize);
  }

  private crashImage(prng: Prng): Uint8Array<ArrayBuffer> {
    const wasCut = this.lowestSize < this.durableSize;
    // A cut that was lost takes with it all that was written above it later, to blocks which no longer belong to the file.
    const isCutLost = wasCut && prng.chance(0.5);
    const baseSize = wasCut && !isCutLost ? this.lowestSize : this.durableSize;
    const size = isCutLost ? baseSize : pickSize(prng, baseSize, this.liveSize);
    const image = new Uint8Array(size);
    image.set(this.durable.subarray(0, Math.min(baseSize, size)));
    const dirtyLimit = Math.min(size, isCutLost ? this.lowestSize : this.liveSize);
    const sectors = [...this.dirty.keys()].sort((left, right) => left - right);
    for (const sector of sectors) {
      const start = sector * this.sectorBytes;
      if (start >= dirtyLimit || prng.chance(0.5)) continue;
      const isTorn = sector === sectors.at(-1) && prng.chance(0.5);
      const length = isTorn ? prng.below(this.sectorBytes) : this.sectorBytes;
      image.set(this.live.subarray(start, Math.min(start + length, dirtyLimit)), start);
    }
    return image;
  }

  private markDirty(start: number, end: number): void {
    this.writeNumber++;
    for (let sector = Math.floor(start / this.sectorBytes); sector * this.sectorBytes < end; sector++) {
      this.dirty.set(sector, this.writeNumber);
    }
  }

  private forgetDirtyUpTo(writeNumber: number): void {
    for (const [sector, number] of this.dirty) if (number <= writeNumber) this.dirty.delete(sector);
  }

  /** Dirty bytes below the file's end as ranges `[start, end)`, neighbours joined, so that a sync copies few pieces. */
  private dirtyRanges(): [number, number][] {
    const ranges: [number, number][] = [];
    for (const sector of [...this.dirty.keys()].sort((left, right) => left - right)) {
      const start = sector * this.sectorBytes;
      if (start >= this.liveSize) break;
      const last = ranges.at(-1);
      if (last !== undefined && last[1] === start) last[1] += this.sectorBytes;
      else ranges.push([start, start + this.sectorBytes]);
    }
    return ranges;
  }

  private resizeDurable(size: number): void {
    if (size < this.durableSize) this.durable.fill(0, size, this.durableSize);
    else this.durable = grown(this.durable, size);
    this.durableSize = size;
  }

  /** Takes the space that a write needs, as far as there is any; returns how many of its bytes have a place. */
  private takeSectors(position: number, length: number): number {
    const { sectorBytes, account } = this;
    const end = position + length;
    this.allocated = grown(this.allocated, Math.ceil(end / sectorBytes));
    for (let sector = Math.floor(position / sectorBytes); sector * sectorBytes < end; sector++) {
      if (this.allocated[sector] === 1) continue;
      if (account.used >= account.capacity) return Math.max(0, sector * sectorBytes - position);
      this.allocated[sector] = 1;
      this.allocatedCount++;
      account.used++;
    }
    return length;
  }

  private giveSectors(from: number): void {
    if (this.allocatedCount === 0) return;
    for (let sector = from; sector < this.allocated.length; sector++) {
      if (this.allocated[sector] !== 1) continue;
      this.allocated[sector] = 0;
      this.allocatedCount--;
      this.account.used--;
    }
    assert(this.account.used >= 0, 'The simulated device has less than nothing in use');
  }
}

/** Not at all, all the way, or somewhere between: how far a file's growth may have come. */
function pickSize(prng: Prng, from: number, to: number): number {
  const choice = prng.below(3);
  if (choice === 0) return from;
  return choice === 1 ? to : prng.between(from, to);
}

function grown(bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  if (length <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.max(length, bytes.length * 2));
  larger.set(bytes);
  return larger;
}
