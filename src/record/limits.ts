import { assert } from '../base/assert.js';

/** Largest batch that is built or accepted, its header included, in bytes. Doors set lower limits of their own. */
export const MAX_BATCH_BYTES = 128 * 1024 * 1024;

/** Largest size that a batch's records may have once decompressed, in bytes: a larger one is refused as a decompression bomb. */
export const MAX_DECOMPRESSED_BYTES = 128 * 1024 * 1024;

/**
 * Timestamps lie within ± this, in ms (some 71,000 years): then the difference of any two is a safe integer, and the cleaner can count
 * timestamps from a delete horizon whatever a producer sent.
 */
export const MAX_TIMESTAMP_MS = 2 ** 51;

/** Room that a BatchBuilder starts with, in bytes. */
export const BUILDER_INITIAL_BYTES = 16 * 1024;

/** A builder whose buffer grew beyond this gives it back when the next batch starts, in bytes. */
export const BUILDER_KEEP_BYTES = 4 * 1024 * 1024;

/** Byte ranges shorter than this are copied in a loop: calling `Uint8Array.set` costs more. */
export const COPY_LOOP_BYTES = 32;

assert(Number.isSafeInteger(2 * MAX_TIMESTAMP_MS), 'Timestamps must be safe to subtract');
assert(BUILDER_INITIAL_BYTES <= BUILDER_KEEP_BYTES, 'A new builder must not exceed what it keeps');
assert(BUILDER_KEEP_BYTES <= MAX_BATCH_BYTES, 'A builder must not keep more than a batch may take');
assert(MAX_BATCH_BYTES <= MAX_DECOMPRESSED_BYTES, 'A batch that may be stored must be readable when it is compressed');
