import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Prng } from '../../base/prng.js';
import { SimulatedClock } from '../clock/simulated-clock.js';
import type { DiskFile } from '../ports.js';
import { codeOf, contentOf, describeDiskContract, errorOf, pattern } from './fixtures/disk-contract.js';
import { completeAfter, HeldCompletions } from './simulated-completions.js';
import { SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.js';

describeDiskContract('simulated', () => {
  return { disk: new SimulatedDisk({ directories: ['/work'] }), directory: '/work', dispose: () => {} };
});

/** A disk with a durable directory `/d`. */
function makeDisk(options: SimulatedDiskOptions = {}): SimulatedDisk {
  return new SimulatedDisk({ directories: ['/d'], ...options });
}

/** A file whose name is durable already. */
function durableFile(disk: SimulatedDisk, path: string): DiskFile {
  const file = disk.open(path, 'create');
  disk.syncDirectory('/d');
  return file;
}

/** What each of many seeds leaves of a disk made anew for it. */
function outcomes<Outcome>(seeds: number, run: (prng: Prng) => Outcome): Outcome[] {
  return Array.from({ length: seeds }, (_, seed) => run(new Prng(seed)));
}

describe('power loss', () => {
  it('leaves what was synced, and of the rest whole sectors but for a torn last one', () => {
    const seen = { kept: 0, dropped: 0, torn: 0 };
    for (const content of outcomes(300, (prng) => {
      const disk = makeDisk();
      const file = durableFile(disk, '/d/file');
      file.write(new Uint8Array(4096).fill(1), 0);
      file.syncNow();
      file.write(new Uint8Array(2048).fill(2), 1024);
      disk.crash(prng);
      return disk.readFile('/d/file');
    })) {
      expect(content.length).toBe(4096);
      for (let sector = 0; sector < 8; sector++) {
        const bytes = content.subarray(sector * 512, sector * 512 + 512);
        const written = bytes.filter((byte) => byte === 2).length;
        if (sector < 2 || sector > 5) expect(written).toBe(0);
        else if (written === 512) seen.kept++;
        else if (written === 0) seen.dropped++;
        else {
          expect(sector).toBe(5);
          expect(bytes.subarray(0, written).every((byte) => byte === 2)).toBe(true);
          seen.torn++;
        }
      }
    }
    expect(seen.kept).toBeGreaterThan(300);
    expect(seen.dropped).toBeGreaterThan(300);
    expect(seen.torn).toBeGreaterThan(20);
  });

  it('extends a file not at all, in part or wholly, with zeros where sectors were lost', () => {
    const sizes = new Set<number>();
    let holes = 0;
    for (const content of outcomes(200, (prng) => {
      const disk = makeDisk();
      const file = durableFile(disk, '/d/file');
      file.write(new Uint8Array(1000).fill(1), 0);
      file.syncNow();
      file.write(new Uint8Array(5000).fill(2), 1000);
      disk.crash(prng);
      return disk.readFile('/d/file');
    })) {
      sizes.add(content.length);
      expect(content.subarray(0, 1000).every((byte) => byte === 1)).toBe(true);
      expect(content.subarray(1000).every((byte) => byte === 0 || byte === 2)).toBe(true);
      if (content.subarray(1000).includes(0)) holes++;
    }
    expect(Math.min(...sizes)).toBe(1000);
    expect(Math.max(...sizes)).toBe(6000);
    expect(sizes.size).toBeGreaterThan(20);
    expect(holes).toBeGreaterThan(50);
  });

  it('keeps or loses a cut as a whole, and with a lost one what was written above it', () => {
    const seen = new Set<string>();
    for (const content of outcomes(100, (prng) => {
      const disk = makeDisk();
      const file = durableFile(disk, '/d/file');
      file.write(new Uint8Array(2048).fill(1), 0);
      file.syncNow();
      file.truncate(512);
      file.write(new Uint8Array(512).fill(2), 512);
      disk.crash(prng);
      return disk.readFile('/d/file');
    })) {
      expect(content.subarray(0, 512).every((byte) => byte === 1)).toBe(true);
      const above = new Set(content.subarray(512));
      if (above.has(1)) {
        expect([...above]).toEqual([1]);
        expect(content.length).toBe(2048);
        seen.add('cut lost');
      } else {
        expect(content.length).toBeLessThanOrEqual(1024);
        seen.add(above.has(2) ? 'written' : 'cut only');
      }
    }
    expect([...seen].sort()).toEqual(['cut lost', 'cut only', 'written']);
  });

  it('covers by a sync what was written before it began, not what came while it ran', async () => {
    const firstBytes = new Set<number | undefined>();
    const lost = outcomes(40, (prng) => {
      const held = new HeldCompletions();
      const disk = makeDisk({ scheduler: held.schedule });
      const file = durableFile(disk, '/d/file');
      file.write(new Uint8Array(512).fill(1), 0);
      void file.sync();
      file.write(new Uint8Array(512).fill(3), 0);
      file.write(new Uint8Array(512).fill(2), 512);
      expect(held.paths()).toEqual(['/d/file']);
      held.releaseAll();
      disk.crash(prng);
      const content = disk.readFile('/d/file');
      // The tear of the last dirty sector concerns bytes from 512 on only.
      firstBytes.add(content[0]);
      expect(new Set(content.subarray(0, 512)).size).toBe(1);
      return content.length < 1024 || content[512] !== 2 || content[0] === 1;
    });
    expect(lost).toContain(true);
    expect(lost).toContain(false);
    expect([...firstBytes].sort()).toEqual([1, 3]);
  });

  it('does not let a sync that ends late undo a newer one', () => {
    const held = new HeldCompletions();
    const disk = makeDisk({ scheduler: held.schedule });
    const file = durableFile(disk, '/d/file');
    file.write(new Uint8Array(512).fill(1), 0);
    void file.sync();
    file.write(new Uint8Array(600).fill(2), 0);
    void file.sync();
    held.releaseNext(1);
    held.releaseNext();
    disk.crash(new Prng(1));
    expect(disk.readFile('/d/file')).toEqual(new Uint8Array(600).fill(2));
  });

  it('never settles a sync that was under way, and kills files and locks', async () => {
    const held = new HeldCompletions();
    const disk = makeDisk({ scheduler: held.schedule });
    const file = durableFile(disk, '/d/file');
    disk.lock('/d/lock');
    const boot = disk.bootId();
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    file.sync().then(settle, settle);
    disk.crash(new Prng(1));
    held.releaseAll();
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toBe(false);
    expect(codeOf(() => file.size())).toBe('closed');
    file.close();
    disk.lock('/d/lock').release();
    expect(disk.bootId()).not.toBe(boot);
  });

  it('leaves everything as it was on kill -9', () => {
    const disk = makeDisk();
    const boot = disk.bootId();
    const file = disk.open('/d/file', 'create');
    file.write(pattern(5000), 0);
    disk.lock('/d/lock');
    disk.killProcess();
    expect(disk.readFile('/d/file')).toEqual(pattern(5000));
    expect(disk.bootId()).toBe(boot);
    expect(codeOf(() => file.size())).toBe('closed');
    disk.lock('/d/lock').release();
    disk.crash(new Prng(2));
    expect(disk.exists('/d/file') && disk.readFile('/d/file').length === 5000).toBe(false);
  });

  it('repeats itself by the seed', () => {
    const run = (): string => {
      const disk = makeDisk();
      for (let index = 0; index < 20; index++) disk.open(`/d/${index}`, 'create').write(pattern(700), index * 10);
      disk.crash(new Prng(77));
      return JSON.stringify(disk.list('/d').map((name) => [name, ...disk.readFile(`/d/${name}`)]));
    };
    expect(run()).toBe(run());
  });
});

describe('directories after power loss', () => {
  it('may lose a new file until its directory is synced, however often the file is', () => {
    const unsynced = outcomes(40, (prng) => {
      const disk = makeDisk();
      const file = disk.open('/d/file', 'create');
      file.write(pattern(100), 0);
      file.syncNow();
      disk.crash(prng);
      if (disk.exists('/d/file')) expect(disk.readFile('/d/file')).toEqual(pattern(100));
      return disk.exists('/d/file');
    });
    expect(new Set(unsynced).size).toBe(2);
  });

  it('keeps a replaced file old or new, never neither', () => {
    const seen = new Set<number>();
    outcomes(60, (prng) => {
      const disk = makeDisk();
      disk.writeFileAtomic('/d/file', pattern(10));
      const next = disk.open('/d/next', 'create');
      next.write(pattern(20), 0);
      next.syncNow();
      disk.rename('/d/next', '/d/file');
      disk.crash(prng);
      seen.add(disk.readFile('/d/file').length);
    });
    expect([...seen].sort()).toEqual([10, 20]);
  });

  it('loses changes of different files in either order', () => {
    const seen = new Set<string>();
    outcomes(80, (prng) => {
      const disk = makeDisk();
      disk.open('/d/a', 'create');
      disk.open('/d/b', 'create');
      disk.crash(prng);
      seen.add(disk.list('/d').join());
    });
    expect([...seen].sort()).toEqual(['', 'a', 'a,b', 'b']);
  });

  it('never shows a file under two names after renames in a row', () => {
    const seen = new Set<string>();
    outcomes(80, (prng) => {
      const disk = makeDisk();
      disk.writeFileAtomic('/d/a', pattern(10));
      disk.rename('/d/a', '/d/b');
      disk.rename('/d/b', '/d/c');
      disk.crash(prng);
      seen.add(disk.list('/d').join());
    });
    expect([...seen].sort()).toEqual(['a', 'b', 'c']);
  });

  it('does not let an older change that becomes durable late undo a newer one', () => {
    const disk = makeDisk({ directories: ['/d', '/e'] });
    disk.writeFileAtomic('/d/file', pattern(10));
    disk.rename('/d/file', '/e/file');
    disk.unlink('/e/file');
    disk.syncDirectory('/e');
    disk.syncDirectory('/d');
    disk.crash(new Prng(1));
    expect([disk.list('/d'), disk.list('/e')]).toEqual([[], []]);
  });

  it('brings an unlinked file back unless the directory was synced', () => {
    for (const isSynced of [false, true]) {
      const back = outcomes(40, (prng) => {
        const disk = makeDisk();
        disk.writeFileAtomic('/d/file', pattern(10));
        disk.unlink('/d/file');
        if (isSynced) disk.syncDirectory('/d');
        disk.crash(prng);
        return disk.exists('/d/file');
      });
      expect(new Set(back)).toEqual(new Set(isSynced ? [false] : [false, true]));
    }
  });

  it('makes a move between directories durable when both were synced, and never loses the file', () => {
    for (const synced of [['/d'], ['/e'], ['/d', '/e']]) {
      const places = new Set<string>();
      outcomes(40, (prng) => {
        const disk = makeDisk({ directories: ['/d', '/e'] });
        disk.writeFileAtomic('/d/file', pattern(10));
        disk.rename('/d/file', '/e/file');
        for (const directory of synced) disk.syncDirectory(directory);
        disk.crash(prng);
        expect(disk.exists('/d/file')).not.toBe(disk.exists('/e/file'));
        places.add(disk.exists('/d/file') ? 'old' : 'new');
      });
      expect(places.size).toBe(synced.length === 2 ? 1 : 2);
    }
  });

  it('loses a directory that was made and not synced in its parent, with what is in it', () => {
    const there = outcomes(40, (prng) => {
      const disk = makeDisk();
      disk.mkdir('/d/sub');
      disk.writeFileAtomic('/d/sub/file', pattern(10));
      disk.crash(prng);
      if (disk.exists('/d/sub')) expect(disk.readFile('/d/sub/file')).toEqual(pattern(10));
      return disk.exists('/d/sub');
    });
    expect(new Set(there).size).toBe(2);
  });

  it('never persists by a later sync what a failed directory sync covered', async () => {
    const disk = makeDisk();
    disk.open('/d/file', 'create');
    disk.inject({ operation: 'sync-directory', effect: { errno: 'EIO' } });
    await expect(disk.syncDirectoryAsync('/d')).rejects.toMatchObject({ code: 'io' });
    disk.syncDirectory('/d');
    disk.crash(new Prng(3));
    expect(disk.list('/d')).toEqual([]);
  });
});

describe('faults', () => {
  it('takes the bytes of a failed sync for clean: a later sync succeeds and they are lost', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const disk = makeDisk();
      const file = durableFile(disk, '/d/file');
      file.write(new Uint8Array(1024).fill(1), 0);
      disk.inject({ operation: 'sync', path: /file$/, effect: { errno: 'EIO' } });
      await expect(file.sync()).rejects.toMatchObject({ code: 'io', operation: 'sync', errno: 'EIO' });
      file.write(new Uint8Array(512).fill(2), 1024);
      await file.sync();
      expect(contentOf(file).subarray(0, 1024)).toEqual(new Uint8Array(1024).fill(1));
      disk.crash(new Prng(seed));
      const expected = new Uint8Array(1536);
      expected.fill(2, 1024);
      expect(disk.readFile('/d/file')).toEqual(expected);
    }
  });

  it('strikes at the N-th matching operation, as often as told', () => {
    const disk = makeDisk();
    const file = disk.open('/d/file', 'create');
    const other = disk.open('/d/other', 'create');
    disk.inject({ operation: 'write', path: /file/, nth: 3, times: 2, effect: { errno: 'EIO' } });
    const codes = Array.from({ length: 6 }, () => {
      other.write(pattern(1), 0);
      return codeOf(() => file.write(pattern(1), 0));
    });
    expect(codes).toEqual([undefined, undefined, 'io', 'io', undefined, undefined]);
    disk.inject({ operation: 'read', effect: { errno: 'EIO' } });
    expect(codeOf(() => file.read(new Uint8Array(1), 0))).toBe('io');
    disk.inject({ operation: 'open', effect: { errno: 'EMFILE' } });
    expect(codeOf(() => disk.open('/d/file', 'read'))).toBe('descriptor-limit');
    disk.inject({ operation: 'sync', times: Number.POSITIVE_INFINITY, effect: { errno: 'EIO' } });
    expect(codeOf(() => file.syncNow())).toBe('io');
    disk.clearFaults();
    file.syncNow();
  });

  it('goes on after a short write', () => {
    const disk = makeDisk();
    const file = disk.open('/d/file', 'create');
    disk.inject({ operation: 'write', times: 3, effect: { shortBytes: 10 } });
    file.write(pattern(100), 0);
    disk.inject({ operation: 'write', times: 3, effect: { shortBytes: 7 } });
    file.writev([pattern(5, 100), pattern(5, 105), pattern(90, 110)], 100);
    expect(contentOf(file)).toEqual(pattern(200));
    disk.inject({ operation: 'write', effect: { shortBytes: 0 } });
    expect(errorOf(() => file.write(pattern(10), 0))).toMatchObject({ code: 'no-space', bytesWritten: 0 });
    disk.inject({ operation: 'write', effect: { shortBytes: 4 } });
    disk.inject({ operation: 'write', nth: 2, effect: { errno: 'EIO' } });
    expect(errorOf(() => file.write(pattern(10), 0))).toMatchObject({ code: 'io', bytesWritten: 4 });
  });

  it('fills up: a short write, then no space, then space again when something goes', () => {
    const disk = makeDisk({ capacityBytes: 8192 });
    const kept = disk.open('/d/kept', 'create');
    kept.write(pattern(4096), 0);
    const file = disk.open('/d/file', 'create');
    expect(errorOf(() => file.write(pattern(5000), 100))).toMatchObject({ code: 'no-space', bytesWritten: 3996 });
    expect(file.size()).toBe(4096);
    expect(disk.freeBytes('/d')).toBe(0);
    file.write(pattern(10), 0);
    disk.unlink('/d/kept');
    expect(disk.freeBytes('/d')).toBe(0);
    kept.close();
    expect(disk.freeBytes('/d')).toBe(4096);
    file.write(pattern(4096), 4096);
    file.truncate(1024);
    expect(disk.freeBytes('/d')).toBe(8192 - 1024);
    expect(codeOf(() => file.allocate(9000))).toBe('no-space');
    expect(file.size()).toBe(1024);
    disk.setCapacity(0);
    expect(codeOf(() => file.write(pattern(1), 5000))).toBe('no-space');
    disk.setCapacity(1 << 20);
    file.write(pattern(1), 5000);
    disk.remove('/d/file');
    disk.killProcess();
    expect(disk.freeBytes('/d')).toBe(1 << 20);
  });

  it('shows holes of a device that is full again after power loss', () => {
    const disk = makeDisk({ capacityBytes: 8192 });
    const file = durableFile(disk, '/d/file');
    file.allocate(8192);
    disk.open('/d/empty', 'create');
    disk.crash(new Prng(5));
    expect(disk.freeBytes('/d')).toBe(0);
  });

  it('lets a test stop the program before any operation', () => {
    const disk = makeDisk();
    const file = disk.open('/d/file', 'create');
    const operations: string[] = [];
    disk.beforeOperation = (operation, path) => {
      operations.push(`${operation} ${path}`);
      if (operations.length === 3) throw new RangeError('stop here');
    };
    file.write(pattern(10), 0);
    file.syncNow();
    expect(() => disk.rename('/d/file', '/d/other')).toThrow(RangeError);
    expect(operations).toEqual(['write /d/file', 'sync /d/file', 'rename /d/file']);
    expect(disk.exists('/d/file')).toBe(true);
  });

  it('completes by the clock that it is given, and counts', async () => {
    const clock = new SimulatedClock();
    const disk = makeDisk({ scheduler: completeAfter(clock, (operation) => (operation === 'sync' ? 5 : 1)) });
    const file = disk.open('/d/file', 'create');
    file.write(pattern(10), 0);
    const ended: string[] = [];
    void file.sync().then(() => ended.push(`sync ${clock.monotonicMs()}`));
    void file.readAsync(new Uint8Array(10), 0).then(() => ended.push(`read ${clock.monotonicMs()}`));
    await clock.advanceAsync(4);
    expect(ended).toEqual(['read 1']);
    await clock.advanceAsync(4);
    expect(ended).toEqual(['read 1', 'sync 5']);
    expect(disk.statistics).toMatchObject({ opens: 1, writes: 1, writtenBytes: 10, reads: 1, readBytes: 10, syncs: 1 });
  });

  it('names another process in a lock', () => {
    const disk = makeDisk({ processId: 7 });
    disk.lockAsProcess('/d/lock', 42);
    expect(errorOf(() => disk.lock('/d/lock'))).toMatchObject({ code: 'locked', holderPid: 42 });
  });
});

describe('against a dumb model', () => {
  /** Sector-aligned operations on one file, so that a model can keep the values each sector may have. */
  const operation = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('write' as const), sector: fc.nat(7), count: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'begin-sync' as const }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('end-sync' as const), index: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'fail-sync' as const }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), seed: fc.nat() }) },
  );

  it('has in each sector a value written there, none older than the last sync that covered it', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const held = new HeldCompletions();
        const disk = makeDisk({ scheduler: held.schedule });
        let file = durableFile(disk, '/d/file');
        file.allocate(8 * 512);
        // For each sector the values it may have after power loss, the live one last.
        let allowed: number[][] = Array.from({ length: 8 }, () => [0]);
        let flights: { readonly lengths: readonly number[] }[] = [];
        let value = 0;
        let hasFailed = false;
        for (const step of operations) {
          if (step.kind === 'write') {
            value = (value % 250) + 1;
            const count = Math.min(step.count + 1, 8 - step.sector);
            file.write(new Uint8Array(count * 512).fill(value), step.sector * 512);
            for (let sector = step.sector; sector < step.sector + count; sector++) allowed[sector]?.push(value);
          } else if (step.kind === 'begin-sync') {
            void file.sync();
            flights.push({ lengths: allowed.map((values) => values.length) });
          } else if (step.kind === 'end-sync' && step.index < flights.length) {
            held.releaseNext(step.index);
            const [ended] = flights.splice(step.index, 1);
            // After a failed sync nothing is promised any more until the next crash.
            allowed = allowed.map((values, sector) => {
              const covered = (ended?.lengths[sector] ?? 1) - 1;
              return hasFailed ? values : values.map((entry, index) => (index < covered ? -1 : entry));
            });
          } else if (step.kind === 'fail-sync') {
            disk.inject({ operation: 'sync', effect: { errno: 'EIO' } });
            expect(codeOf(() => file.syncNow())).toBe('io');
            hasFailed = true;
          } else if (step.kind === 'crash') {
            disk.crash(new Prng(step.seed));
            held.releaseAll();
            flights = [];
            file = disk.open('/d/file', 'write');
            const content = contentOf(file);
            expect(content.length).toBe(8 * 512);
            allowed = allowed.map((values, sector) => {
              const bytes = content.subarray(sector * 512, sector * 512 + 512);
              // Of a torn sector both parts must be allowed.
              for (const byte of new Set(bytes)) expect(values).toContain(byte);
              file.write(bytes.slice().fill(bytes[0] ?? 0), sector * 512);
              return [bytes[0] ?? 0];
            });
            file.syncNow();
            hasFailed = false;
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});
