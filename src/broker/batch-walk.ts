import { batchLastOffset, nextBatch } from '../record/batch-header.js';

/** The offset after the last whole batch of a chunk, or `otherwise` when it holds none. */
export function nextBatchOffset(bytes: Uint8Array, otherwise: number): number {
  let at = 0;
  let last = -1;
  for (let next = nextBatch(bytes, at, bytes.length); next !== -1; next = nextBatch(bytes, at, bytes.length)) {
    last = at;
    at = next;
  }
  return last < 0 ? otherwise : batchLastOffset(bytes, last) + 1;
}
