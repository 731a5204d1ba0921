import { CREDIT_SLICE_BYTES, FIRST_CREDIT_SLICE, MAX_CREDIT_SLICE } from './limits.js';

/**
 * How much of one consumer's messages may be under way from their owners: enough messages to keep it busy, few enough bytes to bound what a peer that
 * does not read makes the node hold. The slice of credit grows while messages are small and shrinks when they are large.
 */
export class CreditSlice {
  /** Messages. */
  size = FIRST_CREDIT_SLICE;
  private messages = 0;
  private bytes = 0;

  /** A message was handed over. */
  count(bytes: number): void {
    this.messages++;
    this.bytes += bytes;
  }

  /** Fits the slice to the messages since the last time, once they are enough to judge by. */
  adapt(): void {
    if (this.messages * 2 < this.size) return;
    const sliceBytes = (this.bytes / this.messages) * this.size;
    if (sliceBytes * 2 <= CREDIT_SLICE_BYTES) this.size = Math.min(MAX_CREDIT_SLICE, this.size * 2);
    else if (sliceBytes > CREDIT_SLICE_BYTES * 2) this.size = Math.max(1, this.size >>> 1);
    this.messages = 0;
    this.bytes = 0;
  }
}

/**
 * The prefetch to set at the broker for a consumer that acknowledges, or -1 when what is set will do. `limit` = 0: without limit; then what is granted
 * goes up and down with what is unsettled.
 */
export function nextPrefetch(granted: number, unsettled: number, limit: number, slice: number): number {
  const wanted = limit === 0 ? unsettled + slice : Math.min(limit, unsettled + slice);
  if (wanted === granted) return -1;
  if (limit !== 0 && granted > limit) return wanted;
  const open = granted - unsettled;
  if (wanted > granted) return open * 2 <= slice || wanted === limit ? wanted : -1;
  return open > slice * 2 ? wanted : -1;
}
