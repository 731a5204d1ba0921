/** What bounds the management API. Sizes in bytes, times in milliseconds. */

/** Longest request body of every route but the ones below. Messages that are published this way travel as JSON text. */
export const BODY_MAX_BYTES = 1024 * 1024;
/** Bodies that one shard reads at the same time, together; more are answered 503. */
export const BODIES_MAX_BYTES = 32 * 1024 * 1024;
/** Arrays and objects within each other in a request body. */
export const JSON_DEPTH_MAX = 32;
/** Longest path and query. */
export const TARGET_MAX_CHARACTERS = 8 * 1024;
/** Longest answer: a list beyond it is refused with the advice to ask for pages. */
export const ANSWER_MAX_CHARACTERS = 48 * 1024 * 1024;
/** Items that are turned into text before others get a turn of the thread. */
export const ITEMS_PER_TURN = 500;
/** As RabbitMQ's. */
export const PAGE_SIZE_DEFAULT = 100;
export const PAGE_SIZE_MAX = 500;
/** Longest name or pattern to filter by. */
export const PATTERN_MAX_CHARACTERS = 256;
/** Columns and sort keys that one request may name. */
export const COLUMNS_MAX = 64;
/** Messages and bytes of bodies that one `get` may ask for. */
export const GET_MESSAGES_MAX = 10_000;
export const GET_BYTES_MAX = 16 * 1024 * 1024;
/** How long a publish, or a get, may take. */
export const MESSAGE_TIMEOUT_MS = 30_000;
/** Users that one request may delete. */
export const BULK_USERS_MAX = 10_000;
/** How much of a value that was not understood an error repeats. */
export const REPEATED_MAX_CHARACTERS = 256;
