/**
 * Every constant of the memory that shard threads share, in the order of the diagrams in docs/formats/ring.md. Offsets and sizes
 * are bytes; names ending in `_WORD` are indexes into an Int32Array over the same memory.
 */

/** Size of a cache line: words that different threads write lie at least this far apart. */
export const CACHE_LINE_BYTES = 64;

// Mesh control.
//   64 × shard   i32 asleep

/** Words from one shard's asleep flag to the next one's. */
export const ASLEEP_STRIDE_WORDS = CACHE_LINE_BYTES / 4;

// Pair buffer (what shard A says to shard B).
//   0 request control | 128 reply control | 256 request lane | 256 + requestCap reply lane

/** Size of a lane's control block. */
export const LANE_CONTROL_BYTES = 128;
/** Where the control block of the request lane starts. */
export const REQUEST_CONTROL_OFFSET = 0;
/** Where the control block of the reply lane starts. */
export const REPLY_CONTROL_OFFSET = LANE_CONTROL_BYTES;
/** Where the request lane's bytes start; the reply lane's follow them. */
export const LANES_OFFSET = 2 * LANE_CONTROL_BYTES;

// Control of a lane.
//   0 i32 tail | 64 i32 head | 68 i32 wanted

/** Bytes ever published, modulo 2^32. Written by the producer. */
export const TAIL_WORD = 0;
/** Bytes ever released, modulo 2^32. Written by the consumer. */
export const HEAD_WORD = 16;
/** 1 while the producer waits for room. Set by the producer, taken by the consumer. */
export const WANTED_WORD = 17;

// Frame of a ring.
//   0 u32 length | 4 payload | padding to 8

/** Size of the length word before a payload. */
export const FRAME_LENGTH_BYTES = 4;
/** Frames start at multiples of this. */
export const FRAME_ALIGNMENT_BYTES = 8;
/** Instead of a length: go on at the start of the lane. As a signed word, which is how it is read. */
export const WRAP_MARKER = -1;

// Message in a lane, from the frame's start.
//   0 u32 length | 4 u8 kind | 5 u8 flags | 6 u16 0 | 8 u32 correlation | 12 u32 reply size | [16 u32 granule | 20 u32 length] | content

/** Size of a message's header, the frame's length word included. */
export const MESSAGE_HEADER_BYTES = 16;
/** What of the header lies in the frame's payload. */
export const MESSAGE_PREFIX_BYTES = MESSAGE_HEADER_BYTES - FRAME_LENGTH_BYTES;
/** Size of the extent descriptor behind the header, when there is one. */
export const EXTENT_DESCRIPTOR_BYTES = 8;
/** Most bytes that a message has beside its content. */
export const MESSAGE_OVERHEAD_BYTES = MESSAGE_HEADER_BYTES + EXTENT_DESCRIPTOR_BYTES;
/** Flag: an extent descriptor follows the header. */
export const FLAG_EXTENT = 1;
/** Flag: nobody waits for a reply. */
export const FLAG_NOTICE = 2;
/** The correlation of a notice, as an unsigned word. */
export const NOTICE_CORRELATION = 0xffffffff;
/** Bits of a correlation that name the slot; the others are its generation. */
export const CORRELATION_SLOT_BITS = 16;

// Arena.
//   0 i32 releases | 64 i32 held per granule | data, granule-aligned

/** Unit of allocation in an arena. */
export const ARENA_GRANULE_BYTES = 16 * 1024;
/** Counts how often an extent was released, modulo 2^32. */
export const ARENA_RELEASES_WORD = 0;
/** 1 while the receiver of the extent that starts at granule 0 holds it; the other granules' words follow. */
export const ARENA_HELD_WORD = 16;

// Row of the partition table.
//   0 i32 turn | 8 2 × i32 interest | 16 copy 0 | 96 copy 1 | 176 unused

/** Size of a row. */
export const ROW_BYTES = 192;
/** Words from one row to the next. */
export const ROW_WORDS = ROW_BYTES / 4;
/** Counts the writes of a row; its lowest bit says which copy is valid. */
export const ROW_TURN_WORD = 0;
/** First of the words whose bits name the shards that want to hear of changes. */
export const ROW_INTEREST_WORD = 2;
/** Number of interest words: 32 shards each. */
export const ROW_INTEREST_WORDS = 2;
/** First word of copy 0. */
export const ROW_COPIES_WORD = 4;
/** Words of a copy. */
export const ROW_COPY_WORDS = 20;

// Copy of a row: seven 64-bit values as low and high word, then three words.

/** First word of each 64-bit value within a copy. */
export const COPY_LOG_ID_WORD = 0;
export const COPY_LOG_START_WORD = 2;
export const COPY_LOG_END_WORD = 4;
export const COPY_DURABLE_END_WORD = 6;
export const COPY_HIGH_WATERMARK_WORD = 8;
export const COPY_LAST_STABLE_OFFSET_WORD = 10;
export const COPY_READY_COUNT_WORD = 12;
/** The 32-bit values within a copy. */
export const COPY_LEADER_EPOCH_WORD = 14;
export const COPY_SEGMENT_LIST_VERSION_WORD = 15;
export const COPY_OWNER_SHARD_WORD = 16;

// Dirty bitmap.
//   0 i32 pending | 64 summary | 64 + slots / 256 bits

/** 1 when there may be a bit. */
export const DIRTY_PENDING_WORD = 0;
/** First summary word; the words of bits follow the summary. */
export const DIRTY_SUMMARY_WORD = 16;
/** The number of slots is a multiple of this, so that the summary has whole words. */
export const DIRTY_SLOTS_MULTIPLE = 1024;

/** `bytes` rounded up to where a frame may start. */
export function alignFrame(bytes: number): number {
  return (bytes + FRAME_ALIGNMENT_BYTES - 1) & -FRAME_ALIGNMENT_BYTES;
}

/** Bytes that a message with `contentBytes` of content takes in a lane, an extent descriptor included. */
export function messageFrameBytes(contentBytes: number): number {
  return alignFrame(MESSAGE_OVERHEAD_BYTES + contentBytes);
}
