/** Limits of the broker's engine; those of the cursor and of declarations are beside them. */

/** An error's text between shards is cut to this many bytes, so that room for a reply can be reserved. */
export const MAX_PEER_ERROR_BYTES = 384;
/** Room reserved for the reply to an append, consume, settle or credit request: a status, a code and an error's text. */
export const SMALL_REPLY_BYTES = 400;
/** Room reserved for the reply to an administrative request; such a request is no longer, either. */
export const ADMIN_REPLY_BYTES = 12 * 1024;
/** Holders of messages are told in pages of about this many bytes of JSON: with the last one an answer keeps within its room. */
export const HOLDER_PAGE_BYTES = ADMIN_REPLY_BYTES / 2;
/** The name of a consumer or of its session is cut to this many characters, six bytes each at most in JSON. */
export const MAX_LABEL_CHARACTERS = 255;
/** Why a log is offline, as an operator is told: longer texts are cut to this many characters, six bytes each at most. */
export const MAX_OFFLINE_REASON_CHARACTERS = 1024;
/** Offsets in one settle request between shards: at nine bytes each it fits a frame of the smallest ring. */
export const MAX_SETTLED_PER_REQUEST = 1024;
/** Deliveries handed out by one partition in one turn, before other work gets its chance. */
export const MAX_DELIVERIES_PER_TURN = 2048;
/** Bytes handed out by one partition in one turn, before other work gets its chance; one delivery may be larger. */
export const MAX_DELIVERY_BYTES_PER_TURN = 2 * 1024 * 1024;
/** Deliveries handed out by all partitions of a shard in one turn. */
export const MAX_OWNER_DELIVERIES_PER_TURN = 16_384;
/** Bytes handed out by all partitions of a shard in one turn; one delivery may be larger. */
export const MAX_OWNER_DELIVERY_BYTES_PER_TURN = 16 * 1024 * 1024;
/** When a queue whose file could not be opened, for want of descriptors, tries again. */
export const READ_RETRY_MS = 100;
/** How much of a log the push reader takes at once. */
export const PUSH_READ_BYTES = 128 * 1024;
/** A batch gathered from single messages is closed at this size; a larger message gets a batch of its own. */
export const MAX_GATHERED_BATCH_BYTES = 256 * 1024;
/** How much one follower reads before others get their chance. */
export const FOLLOW_READ_BYTES = 256 * 1024;
/** Room for the answers to fetches from several partitions that a shard keeps. */
export const KEPT_ASSEMBLY_BYTES = 4 * 1024 * 1024;
/** A fetch that names no size gets this much. */
export const DEFAULT_FETCH_BYTES = 1024 * 1024;
/** A long poll that has found less than it wants looks again after this time at the earliest. */
export const FETCH_LOOK_INTERVAL_MS = 5;
/** Followers that may read in one turn; each reads at most FOLLOW_READ_BYTES and one batch. */
export const MAX_FOLLOWERS_PER_TURN = 64;
/** Builders of batches that are kept for the next turn. */
export const MAX_SPARE_BUILDERS = 64;
/** A builder whose buffer has grown beyond this is not kept. */
export const KEPT_BUILDER_BYTES = 2 * MAX_GATHERED_BATCH_BYTES;
/** Logs that get one batch by one request; a route to more of one shard has several groups. */
export const MAX_LOGS_PER_GROUP = 1024;
/** Groups of several logs that are remembered, so that routes to the same logs share batches; beyond that all are forgotten. */
export const MAX_ROUTE_GROUPS = 10_000;
/** Outcomes of gathered batches that are kept for reuse. */
export const MAX_SPARE_OUTCOMES = 64;
/** An outcome that has had more shares than this is not kept. */
export const MAX_KEPT_SHARES = 16_384;
/** Routing keys of up to so many bytes are encoded into memory that is kept; longer ones come from other doors than AMQP's only. */
export const MAX_LENT_KEY_BYTES = 255;
/** How often shares of a consumer's credit are moved between partitions. */
export const REBALANCE_INTERVAL_MS = 20;
/** Consumers of one queue on one shard. */
export const MAX_CONSUMERS_PER_PARTITION = 100_000;
/** Deliveries of one partition that may be unsettled at once, whatever its consumers' prefetch: each costs memory. */
export const MAX_UNACKNOWLEDGED = 8_000_000;
/** Message ids that one partition remembers against duplicates: the oldest go first, even if their time has not passed. About 60 MB. */
export const MAX_REMEMBERED_IDS = 1_048_576;
/** Replies that may wait for room on the way to another shard, in bytes; beyond it they are lost. */
export const MAX_WAITING_REPLY_BYTES = 64 * 1024 * 1024;
/** Replies of up to this size are put together in memory that is kept. */
export const KEPT_REPLY_BYTES = 16 * 1024;
