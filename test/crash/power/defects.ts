import { PartitionCompanion } from '../../../src/broker/companion.js';
import type { QueueCursor } from '../../../src/broker/cursor/queue-cursor.js';
import type { Disk, DiskFile, OpenMode } from '../../../src/io/ports.js';
import type { StorageLimits } from '../../../src/storage/limits.js';
import type { LogDescription } from '../../../src/storage/ports.js';
import type { ShardStorage } from '../../../src/storage/shard-storage.js';
import type { PromiseKind } from './violation.js';

/**
 * A mistake that is built in on purpose, to prove that the harness finds it:
 * - `no-fsync`: syncs of logs and journals claim to have worked and do nothing;
 * - `acks-first`: acknowledgements are durable as soon as they are written, before the messages that they name, and a start believes them: it
 *   keeps those that name lost messages, and gives the lost offsets to new ones. Everything else, the syncs of segments above all, is as it should be.
 */
export type Defect = 'no-fsync' | 'acks-first';

/** All of them. */
export const DEFECTS: readonly Defect[] = ['no-fsync', 'acks-first'];

/** The promise that each defect breaks first of all. */
export const BREAKS: Readonly<Record<Defect, PromiseKind>> = {
  'no-fsync': 'confirmed-lost',
  'acks-first': 'acknowledgement-swallowed',
};

/** Limits under which a defect shows. */
export const DEFECT_LIMITS: Readonly<Record<Defect, Partial<StorageLimits>>> = {
  'no-fsync': {},
  // Messages that are copied into the journal become durable together with their acknowledgements.
  'acks-first': { journalCopyMaxBytes: 0 },
};

/** A disk with a defect: the one given in all but that. */
export function withDefect(disk: Disk, defect: Defect | undefined): Disk {
  if (defect === undefined) return disk;
  return overriding(disk, {
    open: (path: string, mode: OpenMode) => defectiveFile(disk.open(path, mode), defect),
  });
}

function defectiveFile(file: DiskFile, defect: Defect): DiskFile {
  const lies = { sync: () => Promise.resolve(), syncNow: () => {} };
  if (defect === 'no-fsync') return /\/(logs|journals)\//.test(file.path) ? overriding(file, lies) : file;
  if (!file.path.endsWith('.journal')) return file;
  return overriding(file, {
    write: (bytes: Uint8Array, position: number) => {
      file.write(bytes, position);
      file.syncNow();
    },
  });
}

/** A storage whose recoveries have a defect: the one given in all but that. */
export function withDefectiveRecovery(storage: ShardStorage, defect: Defect | undefined): ShardStorage {
  if (defect !== 'acks-first') return storage;
  return overriding(storage, {
    recover: (descriptions: readonly LogDescription[], journalIds: readonly number[]) => {
      const report = storage.recover(descriptions.map(believing), journalIds);
      for (const { logId, recoveredEnd } of report.logs) giveAgainFrom(storage, logId, recoveredEnd);
      return report;
    },
  });
}

/** The next message of a log gets the offset behind the last one that is left, whatever the lease says. */
function giveAgainFrom(storage: ShardStorage, logId: number, end: number): void {
  const log = storage.log(logId);
  if (log === undefined) return;
  log.nextOffset = end;
  log.logEnd = end;
  log.visibleEnd = end;
  log.durableEnd = Math.min(log.durableEnd, end);
  log.publish();
}

/** A log whose cursor keeps the acknowledgements of messages that are lost. */
function believing(description: LogDescription): LogDescription {
  const { companion } = description;
  if (!(companion instanceof PartitionCompanion)) return description;
  return {
    ...description,
    companion: overriding(companion, {
      recovered: (bounds) => {
        const beyond = companion.cursor?.acknowledgedRanges(bounds.logEnd, Number.MAX_SAFE_INTEGER) ?? [];
        companion.recovered(bounds);
        for (let index = 0; index < beyond.length; index += 2) {
          settleAgain(companion.cursor, beyond[index], beyond[index + 1]);
        }
      },
    }),
  };
}

/** What the cursor refuses from outside, as it should, is done to its inside. */
function settleAgain(cursor: QueueCursor | undefined, start: number | undefined, end: number | undefined): void {
  if (cursor === undefined) return;
  const replay: unknown = Reflect.get(cursor, 'replaySettled');
  if (typeof replay !== 'function') throw new TypeError('The cursor has no replaySettled any more');
  replay.call(cursor, start, end);
  Reflect.set(cursor, 'nextNew', Math.max(cursor.head, cursor.floor));
}

/** `target` with some of its methods replaced; the others keep working on `target` itself. */
export function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const replacement: unknown = Reflect.get(methods, name);
      if (replacement !== undefined) return replacement;
      const own: unknown = Reflect.get(target, name, target);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}
