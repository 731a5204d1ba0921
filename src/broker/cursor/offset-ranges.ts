/** Ranges that the first growth makes room for. */
const FIRST_RANGES = 16;
/** What nothing was added to has no arrays of its own: most of many thousand queues do nothing. */
const NO_RANGES = new Float64Array(0);

/**
 * Ranges of offsets gathered over one turn and sorted when they are taken. Typed arrays that grow and stay: adding costs no object.
 *
 * Starts and ends are sorted apart from each other. That is sound because only how often an offset is covered matters, which is the number of
 * starts up to it less the number of ends up to it, whichever end belongs to whichever start.
 */
export class OffsetRanges {
  starts: Float64Array = NO_RANGES;
  ends: Float64Array = NO_RANGES;
  private count = 0;
  private sorted = true;

  /** Number of ranges; neighbours may still be apart before `sort`. */
  get length(): number {
    return this.count;
  }

  /** Adds one offset. */
  addOne(offset: number): void {
    const last = this.count - 1;
    if (last >= 0 && this.ends[last] === offset) this.ends[last] = offset + 1;
    else this.push(offset, offset + 1);
  }

  /** Adds `start` up to but without `end`, which is higher. */
  add(start: number, end: number): void {
    const last = this.count - 1;
    if (last >= 0 && this.ends[last] === start) this.ends[last] = end;
    else this.push(start, end);
  }

  /** Sorts the ranges and joins those that touch; offsets that were added twice stay covered twice. */
  sort(): void {
    if (this.count < 2) return;
    const { starts, ends } = this;
    if (!this.sorted) {
      starts.subarray(0, this.count).sort();
      ends.subarray(0, this.count).sort();
    }
    let kept = 0;
    for (let index = 1; index < this.count; index++) {
      if (starts[index] === ends[kept]) {
        ends[kept] = ends[index]!;
      } else {
        kept++;
        starts[kept] = starts[index]!;
        ends[kept] = ends[index]!;
      }
    }
    this.count = kept + 1;
    this.sorted = true;
  }

  /** Forgets the ranges and keeps the memory. */
  clear(): void {
    this.count = 0;
    this.sorted = true;
  }

  private push(start: number, end: number): void {
    const at = this.count;
    if (at === this.starts.length) this.grow();
    if (at > 0 && start < this.ends[at - 1]!) this.sorted = false;
    this.starts[at] = start;
    this.ends[at] = end;
    this.count = at + 1;
  }

  private grow(): void {
    const room = Math.max(FIRST_RANGES, this.starts.length * 2);
    const starts = new Float64Array(room);
    const ends = new Float64Array(room);
    starts.set(this.starts);
    ends.set(this.ends);
    this.starts = starts;
    this.ends = ends;
  }
}
