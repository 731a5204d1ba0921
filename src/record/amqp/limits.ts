import { assert } from '../../base/assert.js';

/**
 * How deep tables and arrays may nest, the outermost table counting as one. RabbitMQ sets no limit; its deepest own header, `x-death`, takes
 * three. Clients decode by recursion, so that far deeper values would end a consumer and not the producer who sent them.
 */
export const MAX_TABLE_DEPTH = 32;

/** Largest encoded table, in bytes: eight times what a content header frame of RabbitMQ's usual size can carry. */
export const MAX_TABLE_BYTES = 1024 * 1024;

/** Values of a table and of all that is nested in it: as many as 128 KiB can hold at the two bytes that the smallest one takes. */
export const MAX_TABLE_VALUES = 64 * 1024;

/** Longest short string, in bytes: its length is one byte. */
export const MAX_SHORT_STRING_BYTES = 255;

/** Largest property flags and list, in bytes: the headers table, and every short string at its longest. */
export const MAX_PROPERTIES_BYTES = MAX_TABLE_BYTES + 16 * (MAX_SHORT_STRING_BYTES + 1);

/** Largest envelope, in bytes: properties, and room for names; what AMQP calls them takes at most 255 bytes each. */
export const MAX_ENVELOPE_BYTES = MAX_PROPERTIES_BYTES + 64 * 1024;

/** Expiration at most, in ms: what RabbitMQ takes. */
export const MAX_EXPIRATION_MS = 2 ** 32 - 1;

/** Room that a writer of tables, properties and envelopes starts with, in bytes. */
export const TABLE_INITIAL_BYTES = 256;

/** A writer that grew beyond this is given up after use, in bytes. */
export const WRITER_KEEP_BYTES = 64 * 1024;

assert(MAX_TABLE_BYTES <= 0x7fff_ffff, 'Positions in a table must be small integers');
assert(TABLE_INITIAL_BYTES <= WRITER_KEEP_BYTES, 'A new writer must not exceed what is kept');

/** Encoded headers that a shard remembers, a power of two, and the largest properties that they are remembered for. */
export const HEADER_BLOCK_SLOTS = 256;
export const KEPT_BLOCK_PROPERTIES_BYTES = 256;
/** The largest properties whose check is remembered. */
export const KEPT_VERIFIED_BYTES = 256;
