import { assert } from '../../base/assert.js';
import { MAX_ORIGINS, TagBlock } from './tag-block.js';

const LOW_RANGE = 2 ** 32;
/** So many origins are kept when no delivery is left. */
const KEPT_ORIGINS = 64;

/** What deliveries of one partition have in common: their offsets differ in the lower 32 bits only. */
interface Origin {
  readonly index: number;
  readonly partition: number;
  readonly offsetHigh: number;
}

/**
 * The unsettled deliveries of one subscription: tag to partition and offset, ordered by tag, in blocks that are joined and given back one by
 * one. A delivery costs eight bytes, or some times that where most around it are settled: memory follows what is unsettled although one old tag
 * may stay for ever.
 */
export class TagTable {
  private readonly blocks: TagBlock[] = [];
  private unsettled = 0;
  private nextTag = 1;
  private readonly origins: Origin[] = [];
  private readonly originByKey = new Map<number, Origin>();
  private lastOrigin: Origin | undefined;

  /** Number of unsettled deliveries. */
  get size(): number {
    return this.unsettled;
  }

  /** Slots reserved: what the table costs. */
  get capacity(): number {
    return this.blocks.reduce((sum, block) => sum + block.capacity, 0);
  }

  /** The tag that the next delivery gets. */
  get next(): number {
    return this.nextTag;
  }

  /** Notes a delivery and returns its tag: 1, 2, 3 and so on. */
  add(partition: number, offset: number): number {
    const tag = this.nextTag++;
    const low = offset >>> 0;
    const { index } = this.origin(partition, offset - low);
    const last = this.blocks[this.blocks.length - 1];
    if (last === undefined || !last.add(tag, index, low)) {
      const block = new TagBlock(tag);
      block.add(tag, index, low);
      this.blocks.push(block);
    }
    this.unsettled++;
    return tag;
  }

  /** How many tags from `first` to `last` are unsettled. */
  count(first: number, last: number): number {
    let count = 0;
    for (let at = this.blockOf(first); at < this.blocks.length && this.blocks[at]!.firstTag <= last; at++) {
      count += this.blocks[at]!.count(first, last);
    }
    return count;
  }

  /** Settles every unsettled tag from `first` to `last` and tells `visit` what they named, in the order of delivery. */
  take(first: number, last: number, visit: (partition: number, offset: number) => void): void {
    const visitOrigin = (index: number, low: number): void => {
      const origin = this.origins[index]!;
      visit(origin.partition, origin.offsetHigh + low);
    };
    const from = this.blockOf(first);
    let to = from;
    for (; to < this.blocks.length && this.blocks[to]!.firstTag <= last; to++) {
      this.unsettled -= this.blocks[to]!.take(first, last, visitOrigin);
    }
    this.tidy(from, to);
  }

  /** Index of the last block whose first tag is not above `tag`, or 0. */
  private blockOf(tag: number): number {
    const { blocks } = this;
    if (blocks.length < 2 || blocks[1]!.firstTag > tag) return 0;
    let low = 1;
    let high = blocks.length;
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      if (blocks[middle]!.firstTag <= tag) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Gives back blocks from `from` up to but without `to` that ran empty, and joins those that are left with their neighbours. */
  private tidy(from: number, to: number): void {
    const { blocks } = this;
    if (this.unsettled === 0) {
      this.emptied();
      return;
    }
    let kept = from;
    for (let at = from; at < to; at++) {
      const block = blocks[at]!;
      if (block.size === 0) block.free();
      else if (kept === 0 || !blocks[kept - 1]!.join(block)) blocks[kept++] = block;
    }
    if (kept < to) blocks.splice(kept, to - kept);
    if (kept > 0 && kept < blocks.length && blocks[kept - 1]!.join(blocks[kept]!)) blocks.splice(kept, 1);
  }

  /** A single block stays, so that a subscription that often has no delivery out allocates nothing. */
  private emptied(): void {
    const { blocks } = this;
    for (let at = 1; at < blocks.length; at++) blocks[at]!.free();
    if (blocks.length > 1) blocks.length = 1;
    blocks[0]?.restart(this.nextTag);
    this.forgetOrigins();
  }

  private origin(partition: number, offsetHigh: number): Origin {
    const last = this.lastOrigin;
    if (last !== undefined && last.partition === partition && last.offsetHigh === offsetHigh) return last;
    // Offsets are below 2^53, so their upper part is below 2^21.
    const key = partition * 2 ** 21 + offsetHigh / LOW_RANGE;
    let origin = this.originByKey.get(key);
    if (origin === undefined) {
      const index = this.origins.length;
      // With one partition this is 2.8e14 messages, and six times four thousand million in each with as many partitions as a topic may have.
      assert(index < MAX_ORIGINS, 'A subscription never ran empty over too many partitions and offsets');
      origin = { index, partition, offsetHigh };
      this.origins.push(origin);
      this.originByKey.set(key, origin);
    }
    this.lastOrigin = origin;
    return origin;
  }

  /** Keeps what a subscription of few partitions uses again at once. */
  private forgetOrigins(): void {
    if (this.origins.length <= KEPT_ORIGINS) return;
    this.origins.length = 0;
    this.originByKey.clear();
    this.lastOrigin = undefined;
  }
}
