/** How long a peer may take for what was written before `end()`, in milliseconds. */
export const END_GRACE_MS = 5_000;

/** Node tells that a socket has drained only once it held this much, by its own default (64 KiB from Node 22, less before). */
export const MIN_HIGH_WATER_BYTES = 65_536;

/** Most bytes that one read takes. Larger ones fall out of the processor's cache before they are looked at. */
export const READ_BYTES = 128 * 1024;

/** Pieces below this are copied before TLS takes them. */
export const COPIED_TLS_BYTES = 16_384;
