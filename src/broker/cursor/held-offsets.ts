import { HeldBlock } from './held-block.js';

/**
 * The offsets that one consumer holds, ascending, in blocks that are split, joined and given back one by one: a delivery costs two bytes,
 * seldom more than six, and no object, unless the consumer's deliveries are thousands of offsets apart. Deliveries mostly come at the end and go from the front, which are the fast ways.
 */
export class HeldOffsets {
  /** Ascending; only a single one may be empty. Offsets belong to the last block whose base is not above them. */
  private readonly blocks: HeldBlock[] = [];
  private total = 0;

  get count(): number {
    return this.total;
  }

  /** Bytes of the blocks' columns. */
  get bytes(): number {
    return this.blocks.reduce((sum, block) => sum + block.bytes, 0);
  }

  /** Adds an offset that is not there. */
  add(offset: number): void {
    this.total++;
    const { blocks } = this;
    if (blocks.length > 0 && blocks[blocks.length - 1]!.append(offset)) return;
    const index = this.blockOf(offset);
    const block = this.blocks[index];
    if (block === undefined) this.addBefore(offset);
    else if (block.count === 0) this.addToEmpty(block, offset);
    else if (!block.isFull && block.reaches(offset)) block.add(offset);
    else this.addBeside(index, block, offset);
  }

  /** Removes an offset; false when it is not there. */
  remove(offset: number): boolean {
    const index = this.blockOf(offset);
    const block = this.blocks[index];
    if (block === undefined || !block.remove(offset)) return false;
    this.total--;
    if (block.count === 0) this.emptied(index, block);
    else if (this.blocks.length > 1) this.joinAround(index);
    return true;
  }

  /** Visits all offsets, ascending; nothing may be added or removed meanwhile. */
  visitAll(visit: (offset: number) => void): void {
    for (const block of this.blocks) {
      const { count } = block;
      for (let position = 0; position < count; position++) visit(block.at(position));
    }
  }

  /** Visits the offsets from `from` up to but without `to`, ascending; nothing may be added or removed meanwhile. */
  visitBetween(from: number, to: number, visit: (offset: number) => void): void {
    for (let index = Math.max(0, this.blockOf(from)); index < this.blocks.length; index++) {
      const block = this.blocks[index]!;
      if (block.base >= to) return;
      const end = block.countBelow(to);
      for (let position = block.countBelow(from); position < end; position++) visit(block.at(position));
    }
  }

  /** Gives all blocks back. Nothing is held afterwards. */
  clear(): void {
    for (const block of this.blocks) block.free();
    this.blocks.length = 0;
    this.total = 0;
  }

  /** Index of the last block whose base is not above `offset`, or -1. */
  private blockOf(offset: number): number {
    const { blocks } = this;
    let high = blocks.length - 1;
    if (high < 0 || blocks[high]!.base <= offset) return high;
    let low = 0;
    if (blocks[low]!.base > offset) return -1;
    // The base of `low` is not above the offset, and that of `high` is.
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      if (blocks[middle]!.base <= offset) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Adds an offset below all blocks: the first one is moved down to it where that goes. */
  private addBefore(offset: number): void {
    const first = this.blocks[0];
    if (first === undefined || first.isFull || !first.rebase(offset)) this.insertBlock(0, offset);
    else first.add(offset);
  }

  private addToEmpty(block: HeldBlock, offset: number): void {
    block.rebase(offset);
    block.add(offset);
  }

  /** Adds an offset that belongs to a block but does not fit into it. */
  private addBeside(index: number, block: HeldBlock, offset: number): void {
    if (offset > block.at(block.count - 1)) {
      this.insertBlock(index + 1, offset);
      return;
    }
    const upper = block.split();
    this.blocks.splice(index + 1, 0, upper);
    (offset < upper.base ? block : upper).add(offset);
  }

  private insertBlock(index: number, offset: number): void {
    const block = new HeldBlock(offset);
    block.add(offset);
    if (index === this.blocks.length) this.blocks.push(block);
    else this.blocks.splice(index, 0, block);
  }

  /** A single block stays, so that a consumer that often has nothing allocates nothing. */
  private emptied(index: number, block: HeldBlock): void {
    if (this.blocks.length === 1) {
      block.shrink();
      return;
    }
    block.free();
    if (index === 0) this.blocks.shift();
    else this.blocks.splice(index, 1);
  }

  private joinAround(index: number): void {
    this.joinNext(index);
    if (index > 0) this.joinNext(index - 1);
  }

  private joinNext(index: number): void {
    const next = this.blocks[index + 1];
    if (next !== undefined && this.blocks[index]!.join(next)) this.blocks.splice(index + 1, 1);
  }
}
