import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DiskFile } from '../ports.js';
import type { DiskError } from './disk-error.js';
import { codeOf, type DiskUnderTest, describeDiskContract, errorOf, pattern } from './fixtures/disk-contract.js';
import { loadLibc } from './libc.js';
import { RealDisk, type RealDiskOptions } from './real-disk.js';

function makeRealDisk(options?: RealDiskOptions): DiskUnderTest {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'duolog-disk-'));
  return {
    disk: new RealDisk(options),
    directory,
    dispose: () => fs.rmSync(directory, { recursive: true, force: true }),
  };
}

describeDiskContract('real', () => makeRealDisk());
describeDiskContract('real, without the C library', () => makeRealDisk({ libc: undefined }));

describe('real disk', () => {
  let underTest: DiskUnderTest;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    underTest = makeRealDisk();
  });

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    underTest.dispose();
  });

  /** A process that only waits to be killed, to be named in lock files. */
  async function waitingProcess(): Promise<number> {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    children.push(child);
    await new Promise((resolve) => child.once('spawn', resolve));
    return child.pid ?? 0;
  }

  function startTicks(pid: number): string {
    return fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[19] ?? '';
  }

  it.runIf(fs.existsSync('/dev/full'))('reports a full device with the number of bytes that are in the file', () => {
    const file = underTest.disk.open('/dev/full', 'write');
    expect(errorOf(() => file.write(pattern(100), 0))).toMatchObject({
      code: 'no-space',
      operation: 'write',
      errno: 'ENOSPC',
      bytesWritten: 0,
    });
    file.close();
  });

  it.runIf(canMountTmpfs())('fills a small file system: partial progress is told, allocation is undone', () => {
    const mount = `${underTest.directory}/small`;
    fs.mkdirSync(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount]);
    try {
      const { disk } = underTest;
      const file = disk.open(`${mount}/file`, 'create');
      const error = errorOf(() => file.write(pattern(3 << 20), 0)) as DiskError;
      expect(error.code).toBe('no-space');
      expect(error.bytesWritten).toBe(file.size());
      expect(error.bytesWritten).toBeGreaterThan(500_000);
      file.truncate(0);
      const chunks = Array.from({ length: 3000 }, () => pattern(1000));
      const vectored = errorOf(() => file.writev(chunks, 0)) as DiskError;
      expect(vectored.code).toBe('no-space');
      expect(vectored.bytesWritten).toBe(file.size());
      file.truncate(100);
      expect(codeOf(() => file.allocate(3 << 20))).toBe('no-space');
      expect(file.size()).toBe(100);
      expect(codeOf(() => disk.writeFileAtomic(`${mount}/atomic`, pattern(3 << 20)))).toBe('no-space');
      expect(disk.list(mount)).toEqual(['file']);
      file.close();
    } finally {
      execFileSync('umount', [mount]);
    }
  });

  it.runIf(loadLibc() !== undefined)(
    'refuses a lock that another process holds, names it, and takes it after its death',
    async () => {
      const lockPath = `${underTest.directory}/lock`;
      const script = `
      const koffi = require('koffi');
      const fs = require('fs');
      const descriptor = fs.openSync(${JSON.stringify(lockPath)}, 'a+');
      koffi.load(null).func('int flock(int, int)')(descriptor, 6);
      fs.writeSync(descriptor, 'flock ' + process.pid + ' boot 1\\n');
      process.stdout.write('held');
      setInterval(() => {}, 1000);`;
      const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      children.push(child);
      await new Promise((resolve) => child.stdout.once('data', resolve));
      const error = errorOf(() => underTest.disk.lock(lockPath));
      expect(error).toMatchObject({ code: 'locked', holderPid: child.pid });
      expect(error?.message).toBe(`Cannot lock "${lockPath}": process ${child.pid} holds the lock`);
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      underTest.disk.lock(lockPath).release();
    },
  );

  it('without flock, respects a live holder and takes over from a dead, an earlier boot or another process of that id', async () => {
    const disk = new RealDisk({ libc: undefined });
    const lockPath = `${underTest.directory}/lock`;
    const pid = await waitingProcess();
    const line = (kind: string, boot: string, ticks: string): string => `${kind} ${pid} ${boot} ${ticks}\n`;

    for (const kind of ['file', 'flock']) {
      fs.writeFileSync(lockPath, line(kind, disk.bootId(), startTicks(pid)));
      expect(errorOf(() => disk.lock(lockPath))).toMatchObject({ code: 'locked', holderPid: pid });
    }
    for (const stale of [
      line('file', 'earlier-boot', startTicks(pid)),
      line('file', disk.bootId(), '1'),
      '',
      'nonsense',
    ]) {
      fs.writeFileSync(lockPath, stale);
      disk.lock(lockPath).release();
    }
    children[0]?.kill('SIGKILL');
    await new Promise((resolve) => children[0]?.once('exit', resolve));
    fs.writeFileSync(lockPath, line('file', disk.bootId(), 'unknown'));
    disk.lock(lockPath).release();
    expect(fs.readdirSync(underTest.directory)).toEqual([]);
  });

  it('with flock, respects a live holder that could not call it', async () => {
    const lockPath = `${underTest.directory}/lock`;
    const pid = await waitingProcess();
    fs.writeFileSync(lockPath, `file ${pid} ${underTest.disk.bootId()} ${startTicks(pid)}\n`);
    expect(errorOf(() => underTest.disk.lock(lockPath))).toMatchObject({ code: 'locked', holderPid: pid });
  });

  it('tells a used-up descriptor table by its code', () => {
    const files: DiskFile[] = [];
    let code: string | undefined;
    // The soft limit of this process may be anything; a table of a million is not filled.
    while (code === undefined && files.length < 100_000) {
      code = codeOf(() => files.push(underTest.disk.open('/dev/null', 'read')));
    }
    for (const file of files) file.close();
    if (files.length < 100_000) expect(code).toBe('descriptor-limit');
  });

  it.runIf(loadLibc()?.startWriteback !== undefined)('begins write-back of dirty pages without a sync', async () => {
    const { disk, directory } = underTest;
    const file = disk.open(`${directory}/file`, 'create');
    const begun: [number, number][] = [];
    const libc = loadLibc();
    const spied = new RealDisk({
      libc: libc && {
        ...libc,
        startWriteback: (descriptor, position, length, done) => {
          libc.startWriteback?.(descriptor, position, length, () => {
            begun.push([position, length]);
            // The descriptor is still this file's, although it was closed before.
            expect(fs.fstatSync(descriptor).size).toBe(8 << 20);
            done();
          });
        },
      },
    }).open(`${directory}/file`, 'write');
    spied.write(pattern(8 << 20), 0);
    spied.startWriteback(4 << 20, 4 << 20);
    spied.close();
    while (begun.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toEqual([[4 << 20, 4 << 20]]);
    file.close();
  });

  it('keeps the descriptor until the thread pool is done with it', async () => {
    const { disk, directory } = underTest;
    disk.writeFileAtomic(`${directory}/old`, pattern(1000));
    disk.writeFileAtomic(`${directory}/new`, pattern(1000, 100));
    for (let round = 0; round < 50; round++) {
      const old = disk.open(`${directory}/old`, 'read');
      const target = new Uint8Array(1000);
      const reading = old.readAsync(target, 0);
      old.close();
      const other = disk.open(`${directory}/new`, 'read');
      await reading;
      expect(target).toEqual(pattern(1000));
      other.close();
    }
  });
});

function canMountTmpfs(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'duolog-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'ignore' });
    execFileSync('umount', [directory]);
    return true;
  } catch {
    return false;
  } finally {
    fs.rmdirSync(directory);
  }
}
