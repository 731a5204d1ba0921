import type { Disk, DiskFile, OpenMode } from '../../../src/io/ports.js';

/**
 * A mistake that is built in on purpose, to prove that the harness finds it:
 * - `no-fsync`: syncs of logs and journals claim to have worked and do nothing;
 * - `acks-first`: what goes into the journal (acknowledgements, commits) is durable at once, segments never are.
 */
export type Defect = 'no-fsync' | 'acks-first';

/** All of them. */
export const DEFECTS: readonly Defect[] = ['no-fsync', 'acks-first'];

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
  if (!file.path.endsWith('.journal')) return /\/logs\/.*\.log$/.test(file.path) ? overriding(file, lies) : file;
  return overriding(file, {
    write: (bytes: Uint8Array, position: number) => {
      file.write(bytes, position);
      file.syncNow();
    },
  });
}

/** `target` with some of its methods replaced; the others keep working on `target` itself. */
function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const replacement: unknown = Reflect.get(methods, name);
      if (replacement !== undefined) return replacement;
      const own: unknown = Reflect.get(target, name, target);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}
