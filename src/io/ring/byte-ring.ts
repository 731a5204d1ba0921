import { assert } from '../../base/assert.js';
import { alignFrame, FRAME_LENGTH_BYTES, HEAD_WORD, TAIL_WORD, WANTED_WORD, WRAP_MARKER } from './layout.js';
import { LANE_FRAME_FRACTION, MAX_RING_BYTES, MIN_RING_BYTES } from './limits.js';

/** Where a ring lies: its control block and its bytes within one shared buffer. */
export interface RingMemory {
  readonly buffer: SharedArrayBuffer;
  /** Offset of the control block, in bytes. */
  readonly controlOffset: number;
  /** Offset of the ring's bytes, a multiple of 8. */
  readonly dataOffset: number;
  /** Size of the ring in bytes: a power of two. */
  readonly capacity: number;
}

/**
 * Receives one frame. The bytes from `start` to `end` belong to the ring: who needs them after the call copies them.
 */
export type FrameHandler = (bytes: Buffer, start: number, end: number) => void;

function controlWords(memory: RingMemory): Int32Array {
  const { capacity } = memory;
  assert(capacity >= MIN_RING_BYTES && capacity <= MAX_RING_BYTES, `Ring capacity ${capacity} is out of range`);
  assert((capacity & (capacity - 1)) === 0, `Ring capacity ${capacity} is not a power of two`);
  return new Int32Array(memory.buffer, memory.controlOffset, WANTED_WORD + 1);
}

// Counters are 32-bit words that wrap. All arithmetic on them ends in `| 0`; a difference of two is a fill and never
// negative, because no ring is larger than 2^30.

/** The writing end of a single-producer single-consumer byte ring (docs/formats/ring.md). One thread holds it. */
export class RingProducer {
  /** The ring's bytes; `tryReserve` returns positions in it. */
  readonly bytes: Buffer;
  readonly capacity: number;
  /** Largest payload that `tryReserve` takes, in bytes. */
  readonly maxPayloadBytes: number;
  private readonly control: Int32Array;
  private readonly words: Int32Array;
  private tail: number;
  private publishedTail: number;
  private knownHead: number;

  constructor(memory: RingMemory) {
    this.control = controlWords(memory);
    this.capacity = memory.capacity;
    this.maxPayloadBytes = memory.capacity / LANE_FRAME_FRACTION - FRAME_LENGTH_BYTES;
    this.bytes = Buffer.from(memory.buffer, memory.dataOffset, memory.capacity);
    this.words = new Int32Array(memory.buffer, memory.dataOffset, memory.capacity >> 2);
    this.tail = Atomics.load(this.control, TAIL_WORD);
    this.publishedTail = this.tail;
    this.knownHead = Atomics.load(this.control, HEAD_WORD);
  }

  /**
   * Makes a frame for `length` bytes of payload and returns the payload's position in `bytes`, or -1 while there is no room. The
   * consumer sees the frame after `publish`.
   */
  tryReserve(length: number): number {
    assert(length >= 0 && length <= this.maxPayloadBytes, `A frame of ${length} bytes exceeds ${this.maxPayloadBytes}`);
    const frameBytes = alignFrame(FRAME_LENGTH_BYTES + length);
    const position = this.tail & (this.capacity - 1);
    const untilEnd = this.capacity - position;
    const needed = frameBytes <= untilEnd ? frameBytes : untilEnd + frameBytes;
    if (!this.hasRoom(needed)) return -1;
    if (frameBytes <= untilEnd) return this.frameAt(position, length, frameBytes);
    this.words[position >> 2] = WRAP_MARKER;
    this.tail = (this.tail + untilEnd) | 0;
    return this.frameAt(0, length, frameBytes);
  }

  /** The state to return to with `rollback`. */
  mark(): number {
    return this.tail;
  }

  /** Takes back the frames reserved since `mark`; none of them may have been published. */
  rollback(mark: number): void {
    assert(((mark - this.publishedTail) | 0) >= 0, 'Cannot take back a published frame');
    this.tail = mark;
  }

  /** Bytes written since the last `publish`. */
  get unpublishedBytes(): number {
    return (this.tail - this.publishedTail) | 0;
  }

  /** Lets the consumer see all frames reserved so far, with one store. Returns whether there were any. */
  publish(): boolean {
    if (this.tail === this.publishedTail) return false;
    Atomics.store(this.control, TAIL_WORD, this.tail);
    this.publishedTail = this.tail;
    return true;
  }

  /** Asks the consumer to wake this thread when it has released bytes. Look for room once more after calling it. */
  askForRoom(): void {
    Atomics.store(this.control, WANTED_WORD, 1);
  }

  /** Whether the consumer has released bytes that this end had not noticed yet. */
  refresh(): boolean {
    const head = Atomics.load(this.control, HEAD_WORD);
    if (head === this.knownHead) return false;
    this.knownHead = head;
    return true;
  }

  /** The consumer's position as this end last saw it; to be compared only. */
  get lastSeenHead(): number {
    return this.knownHead;
  }

  /** Whether the consumer has released bytes since its position was `head`. */
  headMovedFrom(head: number): boolean {
    return Atomics.load(this.control, HEAD_WORD) !== head;
  }

  /** Bytes that are written and not released yet. */
  get usedBytes(): number {
    return (this.tail - Atomics.load(this.control, HEAD_WORD)) | 0;
  }

  private hasRoom(needed: number): boolean {
    if (((this.tail - this.knownHead) | 0) + needed <= this.capacity) return true;
    return this.refresh() && ((this.tail - this.knownHead) | 0) + needed <= this.capacity;
  }

  private frameAt(position: number, length: number, frameBytes: number): number {
    this.words[position >> 2] = length;
    this.tail = (this.tail + frameBytes) | 0;
    return position + FRAME_LENGTH_BYTES;
  }
}

/** The reading end of a single-producer single-consumer byte ring (docs/formats/ring.md). One thread holds it. */
export class RingConsumer {
  readonly capacity: number;
  private readonly bytes: Buffer;
  private readonly control: Int32Array;
  private readonly words: Int32Array;
  private head: number;
  private publishedHead: number;
  private draining = false;

  constructor(memory: RingMemory) {
    this.control = controlWords(memory);
    this.capacity = memory.capacity;
    this.bytes = Buffer.from(memory.buffer, memory.dataOffset, memory.capacity);
    this.words = new Int32Array(memory.buffer, memory.dataOffset, memory.capacity >> 2);
    this.head = Atomics.load(this.control, HEAD_WORD);
    this.publishedHead = this.head;
  }

  /** Whether nothing published is waiting. */
  isEmpty(): boolean {
    return Atomics.load(this.control, TAIL_WORD) === this.head;
  }

  /** Bytes that are published and not handed over yet. */
  get usedBytes(): number {
    return (Atomics.load(this.control, TAIL_WORD) - this.head) | 0;
  }

  /**
   * Hands the published frames over, at most `limit` of them, and gives their bytes back to the producer. Frames published
   * meanwhile wait for the next call. A frame whose handler throws counts as handed over.
   * @returns the number of frames.
   */
  drain(handler: FrameHandler, limit: number): number {
    assert(!this.draining, 'A ring is drained from within its own handler');
    const tail = Atomics.load(this.control, TAIL_WORD);
    if (tail === this.head) return 0;
    this.draining = true;
    try {
      return this.drainTo(tail, handler, limit);
    } finally {
      this.draining = false;
      this.release();
    }
  }

  /** Takes the producer's wish to be woken. True at most once per wish. */
  takeWanted(): boolean {
    return (
      Atomics.load(this.control, WANTED_WORD) === 1 && Atomics.compareExchange(this.control, WANTED_WORD, 1, 0) === 1
    );
  }

  private drainTo(tail: number, handler: FrameHandler, limit: number): number {
    const mask = this.capacity - 1;
    const releaseStep = this.capacity >> 2;
    let count = 0;
    while (count < limit && this.head !== tail) {
      const position = this.head & mask;
      const length = this.words[position >> 2]!;
      if (length === WRAP_MARKER) {
        this.head = (this.head + this.capacity - position) | 0;
        continue;
      }
      const frameBytes = alignFrame(FRAME_LENGTH_BYTES + length);
      assert(length >= 0 && frameBytes <= ((tail - this.head) | 0), `A ring frame has the length ${length}`);
      const start = position + FRAME_LENGTH_BYTES;
      // Moved first, so that a handler that throws does not get its frame again; the producer sees it only after `release`.
      this.head = (this.head + frameBytes) | 0;
      count++;
      handler(this.bytes, start, start + length);
      if (((this.head - this.publishedHead) | 0) >= releaseStep) this.release();
    }
    return count;
  }

  private release(): void {
    if (this.head === this.publishedHead) return;
    Atomics.store(this.control, HEAD_WORD, this.head);
    this.publishedHead = this.head;
  }
}
