/** Limits and defaults of declarations and named offsets. Times are milliseconds, sizes bytes. */
import { assert } from '../base/assert.js';

/** Names of topics and queues, in UTF-8: AMQP's short string. */
export const TOPIC_NAME_BYTES_MAX = 255;
/** Partitions of one topic. */
export const PARTITIONS_PER_TOPIC_MAX = 1_024;
/** Topics and queues together. */
export const TOPICS_MAX = 100_000;
/** Partitions of all topics together, and so slots of the partition table. */
export const PARTITIONS_MAX = 131_072;
/** Log ids and topic ids are unsigned 32-bit numbers and never used again. */
export const LOG_ID_MAX = 0xffff_ffff;
/** Ids from here on are those of what ends with this start of the node; those below are written, and never used again. */
export const VOLATILE_ID_FIRST = 0x8000_0000;
/** Names of virtual hosts and exchanges, and routing keys of bindings, in UTF-8: AMQP's short string. */
export const SHORT_STRING_BYTES_MAX = 255;
/** The argument table of a queue, an exchange or a binding: what fits the largest frame that a client may negotiate. */
export const ARGUMENTS_BYTES_MAX = 128 * 1024;
/** Virtual hosts of a node. */
export const VHOSTS_MAX = 10_000;
/** Exchanges of all virtual hosts together, without the predeclared ones. */
export const EXCHANGES_MAX = 100_000;
/** Bindings of all virtual hosts together. */
export const BINDINGS_MAX = 1_000_000;
/** Steps that the control thread carries out together: one write, one sync and one message to each shard. */
export const STEPS_PER_GROUP = 4_096;
/** Bytes of a group, as written; one step may be larger. */
export const GROUP_BYTES_MAX = 16 * 1024 * 1024;
/** Producer ids handed out by one entry of the metadata log, so that few entries are needed. */
export const PRODUCER_ID_BLOCK = 1_000;
/** Producers whose raised epoch is remembered; the oldest go first. */
export const PRODUCER_EPOCHS_MAX = 100_000;

/** Groups that may have committed offsets to one log. */
export const GROUPS_PER_LOG_MAX = 10_000;
/** Names of groups, in UTF-8. */
export const GROUP_NAME_BYTES_MAX = 255;
/** The text beside a committed offset, in UTF-8; Kafka's default. */
export const OFFSET_METADATA_BYTES_MAX = 4_096;
/** A change of named offsets is closed once it has this size; one entry may go beyond. */
export const OFFSETS_CHANGE_BYTES = 48 * 1024;

/** Smallest segment: small enough for tests, large enough that a log is not a folder of thousands of files. */
export const SEGMENT_BYTES_MIN = 16 * 1024;
/** Largest segment: positions inside one are 32 bits, as in Kafka. */
export const SEGMENT_BYTES_MAX = 0x7fff_ffff;
/** Shortest time until a segment is closed. */
export const SEGMENT_MS_MIN = 1_000;

const HOUR_MS = 3_600_000;
/** Retention of a topic that names none: seven days, as in Kafka. */
export const DEFAULT_RETENTION_MS = 7 * 24 * HOUR_MS;
/** Size per partition of a topic that names none: without limit. */
export const DEFAULT_RETENTION_BYTES = -1;
/** Segment size of what names none. */
export const DEFAULT_SEGMENT_BYTES = 128 * 1024 * 1024;
/** A segment is closed after this time even when it is small, so that retention can take it. */
export const DEFAULT_SEGMENT_MS = 7 * 24 * HOUR_MS;
/** How long acknowledged messages of a queue stay readable by offset. */
export const DEFAULT_LINGER_MS = 0;

assert(PARTITIONS_PER_TOPIC_MAX <= PARTITIONS_MAX, 'One topic cannot have more partitions than all topics');
assert(
  DEFAULT_SEGMENT_BYTES >= SEGMENT_BYTES_MIN && DEFAULT_SEGMENT_BYTES <= SEGMENT_BYTES_MAX,
  'The default segment size is within its limits',
);
