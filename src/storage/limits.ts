import { assert } from '../base/assert.js';

/** What may differ between nodes and tests. Sizes in bytes, times in ms. */
export interface StorageLimits {
  /** Size of each of a journal's two areas. */
  readonly journalAreaBytes: number;
  /** Longest companion change. */
  readonly changeMaxBytes: number;
  /** How many offsets a lease covers ahead of the log's end. */
  readonly leaseOffsets: number;
  /** Of more dirty segments than this, a commit copies those below `journalCopyMaxBytes` into the journal; else those below `smallCopyMaxBytes`. */
  readonly directSyncSegments: number;
  /**
   * A dirty segment with fewer unsynced bytes is copied into the journal even when it is the only one: that costs less than the sync of a growing
   * file (docs/adr/0007-small-commits-go-through-the-journal.md).
   */
  readonly smallCopyMaxBytes: number;
  /** A dirty segment with this many unsynced bytes is synced rather than copied: its size pays for the sync. */
  readonly journalCopyMaxBytes: number;
  /** A shard waits itself for a commit's only sync while such syncs take less than this, typically; 0 = never (sync-pace.ts). */
  readonly quickSyncMs: number;
  /** Open files that are kept for reuse. */
  readonly openFiles: number;
  /** Segments whose bytes only the journal holds safely; beyond this the oldest are synced in the background. */
  readonly unsyncedSegments: number;
  /** Syncs and checkpoints under way at the same time: more would stall other users of the thread pool. */
  readonly parallelSyncs: number;
  /** Without anyone asking for durability, what is dirty is committed after this time. */
  readonly idleCommitMs: number;
  /** Shortest time between two notes of one log's durable position. */
  readonly durableNoteMs: number;
  /** Room in memory for the appends of one turn to one log; a batch of a quarter or more is written by itself. */
  readonly turnBufferBytes: number;
  /** Producers that have been silent for this long are forgotten. */
  readonly producerExpiryMs: number;
}

/** What a node uses unless told otherwise. */
export const DEFAULT_STORAGE_LIMITS: StorageLimits = {
  journalAreaBytes: 32 * 1024 * 1024,
  changeMaxBytes: 1024 * 1024,
  leaseOffsets: 1024 * 1024,
  directSyncSegments: 4,
  smallCopyMaxBytes: 8 * 1024,
  journalCopyMaxBytes: 128 * 1024,
  quickSyncMs: 0.5,
  openFiles: 1024,
  unsyncedSegments: 512,
  parallelSyncs: 4,
  idleCommitMs: 1000,
  durableNoteMs: 100,
  turnBufferBytes: 256 * 1024,
  producerExpiryMs: 24 * 60 * 60 * 1000,
};

/** A sync that takes this long in ms, while a shard waits for it, makes others of that shard wait too long. */
export const SYNC_STALL_MS = 10;

/** A shard waits for the sync of a file, a segment or its journal, with no more new bytes than this. */
export const QUICK_SYNC_MAX_BYTES = 64 * 1024;

/** How many syncs make up what is typical. */
export const SYNC_MEMORY = 16;

/** How long in ms a shard waits for no sync itself after a stall, at first and when stalls are frequent. */
export const HOLD_OFF_MIN_MS = 1_000;
export const HOLD_OFF_MAX_MS = 60_000;

/** Bytes of log between two index entries. */
export const INDEX_INTERVAL_BYTES = 4096;

/** Index entries that are held back before they are written. */
export const INDEX_BATCH_ENTRIES = 16;

/** Largest segment: positions are 32-bit, and one batch more must fit. */
export const SEGMENT_MAX_BYTES = 2 ** 31 - 1;

/** Largest distance of an offset from its segment's base. */
export const SEGMENT_MAX_OFFSETS = 2 ** 31 - 1;

/** Bytes that write-back lags behind the end of a segment before the kernel is asked to start it. */
export const WRITEBACK_STEP_BYTES = 4 * 1024 * 1024;

/** Bytes read at a time when segments are scanned. */
export const SCAN_CHUNK_BYTES = 1024 * 1024;

/** Turn buffers that are kept for reuse by a shard. */
export const POOLED_TURN_BUFFERS = 32;

/** Batches per producer that a resend is recognised by, as Kafka's brokers keep. */
export const PRODUCER_BATCHES = 5;

/** Epochs, segments, producers, quarantined ranges that a file of ours may list. */
export const LIST_MAX_ENTRIES = 4 * 1024 * 1024;

/** Largest file with the checkpoints of many logs; logs that find no room in it get one of their own. */
export const CHECKPOINT_SET_MAX_BYTES = 128 * 1024 * 1024;

/** Largest checkpoint that is written together with those of other logs; a larger one has a file and syncs of its own. */
export const SET_CHECKPOINT_MAX_BYTES = 32 * 1024;

/** Unsynced bytes of a log that are written with its checkpoint in a set; of a log with more the segments are synced. */
export const SET_TAIL_MAX_BYTES = 16 * 1024;

/** A log with more segments or producers than this has a checkpoint of its own, without a look at how large it is. */
export const SET_LIST_MAX_ENTRIES = 256;

/** Largest companion snapshot in a checkpoint. */
export const SNAPSHOT_MAX_BYTES = 128 * 1024 * 1024;

/** Bytes of pending journal records at which a shard should stop taking in work. */
export const JOURNAL_BACKLOG_BYTES = 16 * 1024 * 1024;

/** Bytes that a reader looks at for the first batch it wants; an index entry is normally this near. */
export const READ_MIN_BYTES = 64 * 1024;

/** Most bytes of one read, unless a single batch is larger. */
export const READ_MAX_BYTES = 64 * 1024 * 1024;

/** Logs of which a reader remembers the segments and where it stopped; those that were read longest ago are forgotten first. */
export const READ_VIEWS = 1024;

/** Places per log at which readers stopped and will go on. */
export const READ_POSITIONS = 16;

/** A closed segment is rewritten when at least this part of its records is done with. */
export const CLEAN_RATIO = 0.5;

/** Offsets that are looked at to guess how much of a segment is done with, before all are. */
export const CLEAN_SAMPLES = 256;

/** The smallest block of a memory log: what a queue that was used once keeps. */
export const MEMORY_BLOCK_MIN_BYTES = 1024;

/** The largest block of a memory log, unless a single batch is larger: what one unsettled message may keep from being freed. */
export const MEMORY_BLOCK_MAX_BYTES = 64 * 1024;

/** Blocks in the middle of a memory log that are looked at in one turn, to see whether they can be freed. */
export const MEMORY_RELEASE_LOOKS = 2;

/**
 * Checks how limits relate.
 * @throws BugError when they do not fit together.
 */
export function checkStorageLimits(limits: StorageLimits): void {
  assert(limits.changeMaxBytes * 4 <= limits.journalAreaBytes, 'Four companion changes must fit a journal area');
  assert(limits.journalCopyMaxBytes * 2 <= limits.journalAreaBytes, 'Two copied ranges must fit a journal area');
  assert(limits.leaseOffsets >= 2, 'A lease must be divisible');
  const entryBytes = SET_CHECKPOINT_MAX_BYTES + SET_TAIL_MAX_BYTES;
  assert(entryBytes * 16 <= CHECKPOINT_SET_MAX_BYTES, 'Checkpoints of many logs must fit a set');
  assert(limits.parallelSyncs >= 1 && limits.openFiles >= 1, 'At least one file must be open and synced at a time');
  assert(limits.turnBufferBytes >= 1024, 'A turn buffer must hold a small batch');
}
