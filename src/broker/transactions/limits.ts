/** Limits of transactions; what one may hold is bounded by the door that gathers it. */

/** A transaction on several shards whose participants have not all prepared after this time is aborted. */
export const TRANSACTION_TIMEOUT_MS = 30_000;
/** Decisions that are applied everywhere are forgotten together, when there are so many of them or this time has passed. */
export const BARRIER_DECISIONS = 256;
export const BARRIER_DELAY_MS = 1000;
/** An abort that could not be written, for want of space, is tried again after this time. */
export const ABORT_RETRY_MS = 200;
/** Epochs of one producer id: Kafka's are 16-bit, signed. */
export const MAX_PRODUCER_EPOCH = 32_767;
/** Producer ids of one coordinator and start; as many transactions may be open at once. */
export const MAX_COORDINATOR_IDS = 65_536;
/** Offsets in one journaled change of pending settles: at most five bytes each next to each other, ten otherwise. */
export const MAX_OFFSETS_PER_CHANGE = 512;
/** Transactions whose settles are pending in one log, as a snapshot may list them. */
export const MAX_PENDING_TRANSACTIONS = 1_048_576;
