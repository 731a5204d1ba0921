/** Room that a ByteWriter starts with, in bytes. */
export const WRITER_INITIAL_BYTES = 1024;

/** Largest buffer that a ByteWriter grows to unless told otherwise, in bytes. */
export const WRITER_MAX_BYTES = 256 * 1024 * 1024;

/** Strings up to this many UTF-16 units are encoded and decoded byte by byte: the engine's own codec costs more to call. */
export const SHORT_STRING_UNITS = 24;

/**
 * From this many bytes on, the native CRC32C wins over the table code in JavaScript: a native call costs about 110 ns before its first
 * byte, the tables take 0.5 ns per byte. On Node 20, 256 bytes took 131 ns by tables and 140 ns natively, 400 bytes 196 and 171 ns.
 */
export const NATIVE_CRC_MIN_BYTES = 320;

/** Slots that a Deque and a heap start with; a power of two. */
export const COLLECTION_INITIAL_SLOTS = 16;
