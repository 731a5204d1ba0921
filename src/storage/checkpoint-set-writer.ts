import { EncodeError } from '../base/errors.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { Disk } from '../io/ports.js';
import { type CheckpointImage, encodeCheckpoint, replaceFile } from './checkpoint.js';
import { CheckpointSetBuilder, type SegmentTail } from './checkpoint-set.js';
import { StorageError } from './errors.js';
import type { Journal } from './journal/journal.js';
import {
  CHECKPOINT_SET_MAX_BYTES,
  SET_CHECKPOINT_MAX_BYTES,
  SET_LIST_MAX_ENTRIES,
  SET_TAIL_MAX_BYTES,
} from './limits.js';
import type { PartitionLog } from './partition-log.js';
import { type CheckpointSetKind, checkpointSetPath, journalsDirectory } from './paths.js';
import type { Segment } from './segment.js';

/** What writing a set uses of its shard. */
export interface CheckpointSetHost {
  readonly disk: Disk;
  readonly directory: string;
  readonly journal: Journal;
  /** Reads what a segment holds from `position` to its end. @throws DiskError */
  readBack(segment: Segment, position: number): Uint8Array;
}

interface Taken {
  readonly log: PartitionLog;
  readonly image: CheckpointImage;
}

/**
 * Writes the checkpoints of logs together, with one sync for all of them: with thousands of logs, the syncs of their own checkpoints, segments and
 * folders made most of a start and a stop. What is not synced yet at the end of their segments goes into the set as well. Nothing may be appended to
 * the logs meanwhile. Resolves with those that need a checkpoint of their own: large ones, damaged ones, or all when the set cannot be written.
 */
export async function writeCheckpointSet(
  host: CheckpointSetHost,
  kind: CheckpointSetKind,
  logs: readonly PartitionLog[],
): Promise<PartitionLog[]> {
  const { disk, directory, journal } = host;
  const builder = new CheckpointSetBuilder(journal.journalId);
  const taken: Taken[] = [];
  const others: PartitionLog[] = [];
  for (const log of logs) {
    const image = take(host, builder, log, kind === 'stop');
    if (image === undefined) others.push(log);
    else taken.push({ log, image });
  }
  if (taken.length === 0) return others;
  try {
    const path = checkpointSetPath(directory, journal.journalId, kind);
    await replaceFile(disk, journalsDirectory(directory), path, builder.finish());
  } catch (cause) {
    if (!(cause instanceof DiskError)) throw cause;
    return [...logs];
  }
  for (const one of taken) settle(host, one);
  return others;
}

/** Adds a log to the set, or returns undefined. */
function take(
  host: CheckpointSetHost,
  builder: CheckpointSetBuilder,
  log: PartitionLog,
  isAtRest: boolean,
): CheckpointImage | undefined {
  if (!isSmall(log)) return undefined;
  try {
    log.write();
    const tails = tailsOf(host, log);
    if (tails === undefined) return undefined;
    const image = log.image(isAtRest);
    const bytes = encodeCheckpoint(image);
    const isTooLarge =
      bytes.length > SET_CHECKPOINT_MAX_BYTES ||
      builder.sizeBytes + bytes.length + 2 * SET_TAIL_MAX_BYTES > CHECKPOINT_SET_MAX_BYTES;
    if (isTooLarge) return undefined;
    builder.add(log.logId, bytes, tails, log.isDirectoryUnsynced);
    return image;
  } catch (cause) {
    // Its own checkpoint meets the same, and deals with it.
    if (cause instanceof DiskError || cause instanceof StorageError || cause instanceof EncodeError) return undefined;
    throw cause;
  }
}

function isSmall(log: PartitionLog): boolean {
  const isSound = log.offline === undefined && log.corruption === undefined && !log.isDeleted;
  const isShort = log.segments.length <= SET_LIST_MAX_ENTRIES && log.producers.size <= SET_LIST_MAX_ENTRIES;
  // Files of removed segments go with a checkpoint of the log's own.
  return isSound && isShort && log.obsolete.length === 0;
}

/** What is not synced of the log's segments; undefined when that is too much. @throws DiskError */
function tailsOf(host: CheckpointSetHost, log: PartitionLog): SegmentTail[] | undefined {
  const open = log.segments.filter((segment) => segment.isUnsynced || segment.sizeBytes === 0);
  const length = open.reduce((sum, { sizeBytes, syncedBytes }) => sum + sizeBytes - syncedBytes, 0);
  if (length > SET_TAIL_MAX_BYTES) return undefined;
  return open.map((segment) => ({
    segmentBase: segment.baseOffset,
    position: segment.syncedBytes,
    bytes: segment.sizeBytes === 0 ? new Uint8Array(0) : host.readBack(segment, segment.syncedBytes),
  }));
}

function settle({ journal }: CheckpointSetHost, { log, image }: Taken): void {
  for (const { baseOffset, sizeBytes } of image.segments) {
    const segment = log.segments.find((known) => known.baseOffset === baseOffset);
    if (segment !== undefined && sizeBytes > segment.safeBytes) segment.safeBytes = sizeBytes;
  }
  const { companionOffset, logStart, logEnd, isClean } = image;
  log.checkpointedSequence = image.journalSequence;
  log.checkpointed = { companionOffset, logStart, logEnd, isClean };
  log.isCheckpointInSet = true;
  journal.released(log);
}
