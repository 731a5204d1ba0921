/** Most bytes handed to one read or write system call; Linux takes at most 2 GiB less a page and the rest is a loop. */
export const SYSTEM_CALL_MAX_BYTES = 1 << 30;

/**
 * Most chunks in one `writev`. Linux takes 1,024; given more, libuv makes several calls and adds their results up without
 * looking for a short one in between, so the caller could not know which bytes are in the file.
 */
export const WRITEV_MAX_CHUNKS = 1024;

/** Largest file that `readFile` brings into memory. */
export const READ_FILE_MAX_BYTES = 256 * 1024 * 1024;

/** How many zeros `allocate` writes at a time. */
export const ALLOCATE_CHUNK_BYTES = 1024 * 1024;

/** Longest content of a lock file that is looked at. */
export const LOCK_FILE_MAX_BYTES = 256;
