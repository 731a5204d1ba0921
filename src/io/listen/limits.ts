/** Pending connections in the kernel; the system's `somaxconn` caps it. */
export const LISTEN_BACKLOG = 1_024;

/** Sends of one event-loop turn are gathered per socket up to this size, then written. */
export const OUTBOX_BYTES = 32_768;

/** Payloads from this size are not gathered but written on their own, since the copy would cost more than it saves. */
export const OUTBOX_BYPASS_BYTES = 16_384;

/** Sockets that may gather at a time; one more writes out all of them. Bounds the memory of outboxes. */
export const MAX_GATHERING_SOCKETS = 64;

/** Spare outbox buffers kept for the next turn. */
export const SPARE_OUTBOXES = MAX_GATHERING_SOCKETS;
