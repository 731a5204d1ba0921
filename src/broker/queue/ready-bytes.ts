/** How many bytes of bodies wait in a queue, for `x-max-length-bytes`: what is in flight keeps its size, what waits only adds to the sum. */
export class ReadyBytes {
  /** Bytes that wait and can be seen. */
  ready = 0;
  /** Bytes that were appended and cannot be seen yet. */
  arriving = 0;
  /** Appended batches that cannot be seen yet: base offset and bytes, in turn. */
  private readonly batches: number[] = [];
  private readonly inFlight = new Map<number, number>();

  appended(baseOffset: number, bytes: number): void {
    this.batches.push(baseOffset, bytes);
    this.arriving += bytes;
  }

  /** Batches from here on will never be seen. */
  withdrawn(fromOffset: number): void {
    while (this.batches.length > 0 && this.batches[this.batches.length - 2]! >= fromOffset) {
      this.arriving -= this.batches.pop()!;
      this.batches.pop();
    }
  }

  /** Batches below can be seen. */
  visible(nextOffset: number): void {
    let seen = 0;
    for (; seen < this.batches.length && this.batches[seen]! < nextOffset; seen += 2) {
      this.ready += this.batches[seen + 1]!;
      this.arriving -= this.batches[seen + 1]!;
    }
    this.batches.splice(0, seen);
  }

  /** Waits no more, and may come back. */
  handed(offset: number, bytes: number): void {
    this.gone(bytes);
    this.inFlight.set(offset, bytes);
  }

  /** Waits no more and does not come back. */
  gone(bytes: number): void {
    this.ready = Math.max(0, this.ready - bytes);
  }

  returned(offset: number): void {
    this.ready += this.inFlight.get(offset) ?? 0;
    this.inFlight.delete(offset);
  }

  acknowledged(offset: number): void {
    this.inFlight.delete(offset);
  }

  /** What waits is counted anew. */
  recount(): void {
    this.ready = 0;
  }
}
