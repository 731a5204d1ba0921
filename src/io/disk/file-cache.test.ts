import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DiskFile } from '../ports.js';
import { FileCache } from './file-cache.js';
import { codeOf, contentOf, pattern } from './fixtures/disk-contract.js';
import { SimulatedDisk } from './simulated-disk.js';

function makeDisk(files: number): SimulatedDisk {
  const disk = new SimulatedDisk({ directories: ['/d'] });
  for (let index = 0; index < files; index++) disk.writeFileAtomic(`/d/${index}`, pattern(10, index));
  return disk;
}

function isOpen(file: DiskFile): boolean {
  return codeOf(() => file.size()) === undefined;
}

describe('file cache', () => {
  it('opens a file once and keeps it for the next user', () => {
    const cache = new FileCache(makeDisk(1), 4);
    const first = cache.acquire('/d/0');
    expect(cache.acquire('/d/0')).toBe(first);
    cache.release(first);
    cache.release(first);
    expect(isOpen(first)).toBe(true);
    expect(cache.acquire('/d/0')).toBe(first);
    expect(cache.statistics()).toEqual({ openFiles: 1, filesInUse: 1, hits: 2, opens: 1, evictions: 0 });
  });

  it('closes the least recently used of those that nobody uses', () => {
    const cache = new FileCache(makeDisk(4), 3);
    const [a, b, c] = ['/d/0', '/d/1', '/d/2'].map((path) => cache.acquire(path)) as [DiskFile, DiskFile, DiskFile];
    for (const file of [a, b, c]) cache.release(file);
    cache.release(cache.acquire('/d/0'));
    const d = cache.acquire('/d/3');
    expect([a, b, c, d].map(isOpen)).toEqual([true, false, true, true]);
  });

  it('opens beyond its limit rather than fail, and comes back to it', () => {
    const cache = new FileCache(makeDisk(5), 2);
    const files = [0, 1, 2, 3, 4].map((index) => cache.acquire(`/d/${index}`));
    expect(cache.statistics().openFiles).toBe(5);
    for (const file of files) cache.release(file);
    expect(cache.statistics()).toMatchObject({ openFiles: 2, filesInUse: 0, evictions: 3 });
  });

  it('lets users go on with a forgotten file while the path leads to the new one', () => {
    const disk = makeDisk(1);
    const cache = new FileCache(disk, 4);
    const old = cache.acquire('/d/0');
    disk.unlink('/d/0');
    cache.forget('/d/0');
    const next = cache.acquire('/d/0', 'create');
    next.write(pattern(3, 77), 0);
    expect(contentOf(old)).toEqual(pattern(10));
    expect(contentOf(cache.acquire('/d/0'))).toEqual(pattern(3, 77));
    cache.release(old);
    expect(isOpen(old)).toBe(false);
    expect(isOpen(next)).toBe(true);
  });

  it('replaces a reader by a writer, and serves readers with the writer', () => {
    const cache = new FileCache(makeDisk(1), 4);
    const reader = cache.acquire('/d/0');
    const writer = cache.acquire('/d/0', 'write');
    writer.write(pattern(1, 9), 0);
    expect(cache.acquire('/d/0')).toBe(writer);
    cache.release(reader);
    expect(isOpen(reader)).toBe(false);
  });

  it('gives idle files up when the process has no descriptor left, and fails when there are none', () => {
    const disk = makeDisk(3);
    const cache = new FileCache(disk, 10);
    const idle = cache.acquire('/d/0');
    cache.release(idle);
    disk.inject({ operation: 'open', effect: { errno: 'EMFILE' } });
    const other = cache.acquire('/d/1');
    expect(isOpen(idle)).toBe(false);
    disk.inject({ operation: 'open', effect: { errno: 'EMFILE' } });
    expect(codeOf(() => cache.acquire('/d/2'))).toBe('descriptor-limit');
    expect(codeOf(() => cache.acquire('/d/none'))).toBe('not-found');
    expect(isOpen(other)).toBe(true);
  });

  it('takes a release too many for the defect that it is', () => {
    const cache = new FileCache(makeDisk(1), 2);
    const file = cache.acquire('/d/0');
    cache.release(file);
    expect(() => cache.release(file)).toThrow('which nobody has acquired');
    cache.closeAll();
    expect(isOpen(file)).toBe(false);
  });

  it('never closes a file in use nor keeps more than it may (against a dumb model)', () => {
    const step = fc.tuple(fc.constantFrom('acquire', 'write', 'release', 'forget', 'close-all'), fc.nat(5));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), (steps, limit) => {
        const cache = new FileCache(makeDisk(6), limit);
        const users: DiskFile[] = [];
        for (const [kind, index] of steps) {
          const path = `/d/${index}`;
          if (kind === 'acquire') users.push(cache.acquire(path));
          else if (kind === 'write') users.push(cache.acquire(path, 'write'));
          else if (kind === 'forget') cache.forget(path);
          else if (kind === 'close-all') cache.closeAll();
          else for (const file of users.splice(index, 1)) cache.release(file);
          expect(users.every(isOpen)).toBe(true);
          const inUse = new Set(users).size;
          const { openFiles, filesInUse } = cache.statistics();
          expect(filesInUse).toBe(inUse);
          expect(openFiles).toBeLessThanOrEqual(Math.max(limit, inUse));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
