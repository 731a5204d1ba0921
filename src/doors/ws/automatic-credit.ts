import { FIRST_CREDIT_SLICE, MAX_CREDIT_SLICE } from './limits.js';

/** Part of the room in the backlog that a slice may fill: other subscriptions of the session want some, too. */
const SLICE_SHARE = 4;
/** How fast the largest size seen is forgotten, per delivery that is smaller. */
const FORGETTING = 1 / 32;

/**
 * The credit of one automatically acknowledging consumer: what the client gave, of which the broker has a slice at a time. What the broker has it
 * may deliver at once, whether the client reads or not, so a slice holds no more messages than fit into the backlog, judged by the largest
 * of late. No size is known at first: slices begin small and grow with every delivery.
 */
export class AutomaticCredit {
  private readonly roomBytes: number;
  /** The client's credit that the broker does not have. */
  private kept: number;
  private granted = 0;
  private growing = 1;
  private largestBytes = 0;

  /** `credit` is the client's, in messages; `roomBytes` is the backlog that pushes may fill. */
  constructor(credit: number, roomBytes: number) {
    this.kept = credit;
    this.roomBytes = roomBytes;
  }

  /** Messages that the client still allows. */
  get total(): number {
    return this.kept + this.granted;
  }

  /** The first slice: one message, or one from each partition, as nobody knows which of them has any. */
  begin(partitions: number): number {
    this.growing = Math.min(FIRST_CREDIT_SLICE, partitions);
    return this.take(0);
  }

  /** The client gives more. */
  add(count: number): void {
    this.kept += count;
  }

  /** The broker has delivered a message of about so many bytes. */
  used(bytes: number): void {
    this.granted--;
    this.growing = Math.min(MAX_CREDIT_SLICE, this.growing + 1);
    this.largestBytes = Math.max(bytes, this.largestBytes + (bytes - this.largestBytes) * FORGETTING);
  }

  /**
   * Moves credit to the broker, once half a slice is used up; returns how much. With a backlog there may be none until it is gone, which the
   * socket announces.
   */
  take(backlogBytes: number): number {
    const room = this.roomBytes - backlogBytes;
    if (backlogBytes > 0 && this.largestBytes > room) return 0;
    const fitting = Math.floor(room / SLICE_SHARE / Math.max(1, this.largestBytes));
    const slice = Math.max(1, Math.min(fitting, this.growing));
    if (this.granted > slice / 2) return 0;
    const moved = Math.min(slice - this.granted, this.kept);
    this.kept -= moved;
    this.granted += moved;
    return moved;
  }
}
