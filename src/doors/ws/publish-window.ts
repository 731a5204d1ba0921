import { assert } from '../../base/assert.js';
import type { BrokerError } from '../../broker/errors.js';

/** One publish from its arrival until its outcome is written. */
export interface PendingPublish {
  /** The frame's id; 0 = nobody waits for a confirm. */
  id: number;
  frameBytes: number;
  /** Messages without an outcome. */
  messagesLeft: number;
  /** Partition, base offset and count of each range stored so far. */
  readonly ranges: number[];
  /** The lowest level reached by a range. */
  reached: number;
  isDuplicate: boolean;
  /** Whether it went to an exchange. */
  isRouted: boolean;
  /** Places of mandatory messages that no queue wants. */
  unroutable: number[];
  error: BrokerError | undefined;
  token: number;
}

/**
 * The publishes of one session that are in flight. Slots and their objects are used again; a token is a slot and a generation, so that an
 * outcome that comes too late finds nobody.
 */
export class PublishWindow {
  private readonly maxCount: number;
  private readonly maxBytes: number;
  private readonly slots: PendingPublish[] = [];
  private readonly free: number[] = [];
  private count = 0;
  private bytes = 0;

  constructor(maxCount: number, maxBytes: number) {
    this.maxCount = maxCount;
    this.maxBytes = maxBytes;
  }

  /** Publishes in flight. */
  get inFlight(): number {
    return this.count;
  }

  /** Bytes of their frames. */
  get inFlightBytes(): number {
    return this.bytes;
  }

  /** Whether a frame of this size may come now. One publish may always be in flight. */
  hasRoomFor(frameBytes: number): boolean {
    return this.count === 0 || (this.count < this.maxCount && this.bytes + frameBytes <= this.maxBytes);
  }

  /** Takes a publish in. */
  open(id: number, frameBytes: number): PendingPublish {
    const slot = this.free.pop() ?? this.addSlot();
    const pending = this.slots[slot]!;
    pending.id = id;
    pending.frameBytes = frameBytes;
    pending.messagesLeft = 0;
    pending.ranges.length = 0;
    pending.reached = 0;
    pending.isDuplicate = false;
    pending.isRouted = false;
    if (pending.unroutable.length > 0) pending.unroutable = [];
    pending.error = undefined;
    this.count++;
    this.bytes += frameBytes;
    return pending;
  }

  private addSlot(): number {
    const slot = this.slots.length;
    this.slots.push({
      id: 0,
      frameBytes: 0,
      messagesLeft: 0,
      ranges: [],
      reached: 0,
      isDuplicate: false,
      isRouted: false,
      unroutable: [],
      error: undefined,
      token: slot,
    });
    return slot;
  }

  /** The publish that a token names, or undefined when it has been closed. */
  find(token: number): PendingPublish | undefined {
    const pending = this.slots[token % this.maxCount];
    return pending?.token === token ? pending : undefined;
  }

  /** Lets a publish go: its outcome is written, or nobody wants it. */
  close(pending: PendingPublish): void {
    assert(this.count > 0, 'A publish window is closed more often than opened');
    this.count--;
    this.bytes -= pending.frameBytes;
    this.free.push(pending.token % this.maxCount);
    // The next generation of the same slot: a session would need 2^53 / maxCount publishes to run out.
    pending.token += this.maxCount;
    pending.ranges.length = Math.min(pending.ranges.length, 3);
  }
}
