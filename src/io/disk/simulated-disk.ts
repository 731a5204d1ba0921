import { assert } from '../../base/assert.js';
import type { Prng } from '../../base/prng.js';
import type { Disk, DiskLock, OpenMode } from '../ports.js';
import { DiskError, type DiskOperation, toDiskError } from './disk-error.js';
import { type AsyncDiskOperation, type CompletionScheduler, completeSoon } from './simulated-completions.js';
import { type SectorAccount, SimulatedContent } from './simulated-content.js';
import { errnoError, type Fault, type FaultEffect, FaultPlan } from './simulated-faults.js';
import { SimulatedFile } from './simulated-file.js';
import type { SimulatedDiskStatistics, SimulatedHost } from './simulated-host.js';
import {
  type DirectoryNode,
  emptyDirectory,
  type FileNode,
  type Place,
  SimulatedTree,
  type TreeNode,
} from './simulated-tree.js';
import { readWholeFile, replaceFile } from './whole-file.js';

/** Settings of a simulated disk. */
export interface SimulatedDiskOptions {
  /** What power loss keeps or drops as a whole, in bytes. Default 512. */
  readonly sectorBytes?: number;
  /** Size of the device in bytes; default 1 TiB, which no test fills. */
  readonly capacityBytes?: number;
  /** When asynchronous operations complete. Default: soon, in the order of the calls. */
  readonly scheduler?: CompletionScheduler;
  /** Directories that exist, durably, from the start. */
  readonly directories?: readonly string[];
  /** The simulated process, named in locks. Default 1. */
  readonly processId?: number;
}

/**
 * A disk in memory for tests, in two images: programs see the live one, and power loss leaves the durable one plus
 * whatever a seed says had got through. Everything is decided by the calls, the scheduler and the seeds given, so a run
 * can be repeated.
 *
 * - `crash(prng)`: power loss. Of each file, every sector written since its last sync is kept or dropped by itself, the
 *   last may be torn, and the size may be anything between the durable and the live one. Each change of a directory since
 *   its last sync is kept or dropped by itself. Open files and locks are gone, the boot id is another.
 * - `killProcess()`: `kill -9`. Files stay as programs saw them; open files and locks are gone, the boot id stays.
 * - `inject(fault)`: errors and short writes. After a failed sync the bytes it covered are still read but never become
 *   durable, even if a later sync succeeds, unless they are written again.
 */
export class SimulatedDisk implements Disk, SimulatedHost {
  readonly statistics: SimulatedDiskStatistics = {
    opens: 0,
    reads: 0,
    readBytes: 0,
    writes: 0,
    writtenBytes: 0,
    syncs: 0,
    directorySyncs: 0,
  };
  /** Called before every operation; what it throws goes to the caller as it is. For crashing at the N-th operation. */
  beforeOperation: ((operation: DiskOperation, path: string) => void) | undefined;
  private readonly sectorBytes: number;
  private readonly account: SectorAccount;
  private readonly scheduler: CompletionScheduler;
  private readonly processId: number;
  private readonly tree = new SimulatedTree();
  private readonly faults = new FaultPlan();
  private readonly openNodes = new Set<FileNode>();
  private readonly locks = new Map<string, number>();
  private boots = 1;
  private currentGeneration = 0;

  constructor(options: SimulatedDiskOptions = {}) {
    this.sectorBytes = options.sectorBytes ?? 512;
    this.account = { used: 0, capacity: Math.floor((options.capacityBytes ?? 2 ** 40) / this.sectorBytes) };
    this.scheduler = options.scheduler ?? completeSoon;
    this.processId = options.processId ?? 1;
    for (const directory of options.directories ?? []) this.mkdir(directory);
    this.tree.syncAll();
  }

  get generation(): number {
    return this.currentGeneration;
  }

  /** Plans a fault. */
  inject(fault: Fault): void {
    this.faults.add(fault);
  }

  /** Forgets the faults that have not struck. */
  clearFaults(): void {
    this.faults.clear();
  }

  /** Changes the size of the device; less than is in use means that nothing more can be written. */
  setCapacity(bytes: number): void {
    this.account.capacity = Math.floor(bytes / this.sectorBytes);
  }

  /** Power loss; see the class. */
  crash(prng: Prng): void {
    for (const node of [...this.tree.files().keys(), ...this.openNodes]) node.content.release();
    this.endProcess();
    this.boots++;
    this.tree.crash(prng);
    for (const [node, links] of this.tree.files()) {
      node.links = links;
      node.content.crash(prng);
    }
  }

  /** The process dies, the kernel lives; see the class. */
  killProcess(): void {
    const open = [...this.openNodes];
    this.endProcess();
    for (const node of open) this.releaseIfUnreachable(node);
  }

  /** Locks a path as another process would, for tests of the refusal. */
  lockAsProcess(path: string, pid: number): void {
    this.locks.set(path, pid);
  }

  open(path: string, mode: OpenMode): SimulatedFile {
    return this.attempt('open', path, () => {
      const node = this.openNode(this.tree.place(path), mode);
      node.handles++;
      this.openNodes.add(node);
      this.statistics.opens++;
      return new SimulatedFile(this, path, node, mode !== 'read');
    });
  }

  list(directory: string): string[] {
    return this.attempt('list', directory, () => [...this.tree.directory(directory).live.keys()].sort());
  }

  exists(path: string): boolean {
    return this.tree.find(path) !== undefined;
  }

  mkdir(path: string): void {
    this.attempt('mkdir', path, () => {
      let made = '';
      const names = path.split('/');
      for (const [index, name] of names.entries()) {
        made += `${name}/`;
        const node = this.tree.find(made);
        if (node?.kind === 'file') throw errnoError(index === names.length - 1 ? 'EEXIST' : 'ENOTDIR');
        if (node === undefined) this.tree.link(this.tree.place(made), emptyDirectory());
      }
    });
  }

  rename(from: string, to: string): void {
    this.attempt('rename', from, () => {
      const source = this.tree.place(from);
      const target = this.tree.place(to);
      const moved = source.directory.live.get(source.name);
      const replaced = target.directory.live.get(target.name);
      if (moved === undefined) throw errnoError('ENOENT');
      if (moved === replaced) return;
      if (replaced !== undefined) this.checkReplaceable(moved, replaced);
      this.tree.move(source, target);
      if (replaced?.kind === 'file') this.dropLink(replaced);
    });
  }

  unlink(path: string): void {
    this.attempt('unlink', path, () => {
      const place = this.tree.place(path);
      const node = place.directory.live.get(place.name);
      if (node === undefined) throw errnoError('ENOENT');
      if (node.kind === 'directory') throw errnoError('EISDIR');
      this.tree.unlink(place);
      this.dropLink(node);
    });
  }

  remove(path: string): void {
    this.attempt('remove', path, () => {
      if (this.tree.find(path) !== undefined) this.removeNode(this.tree.place(path));
    });
  }

  syncDirectory(path: string): void {
    this.beginDirectorySync(path)();
  }

  syncDirectoryAsync(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = this.beginDirectorySync(path);
      this.complete('sync-directory', path, () => {
        try {
          finish();
          resolve();
        } catch (cause) {
          reject(cause);
        }
      });
    });
  }

  readFile(path: string): Uint8Array {
    return readWholeFile(this, path);
  }

  writeFileAtomic(path: string, bytes: Uint8Array): void {
    replaceFile(this, path, bytes);
  }

  freeBytes(path: string): number {
    this.attempt('free-space', path, () => this.mustExist(path));
    return Math.max(0, this.account.capacity - this.account.used) * this.sectorBytes;
  }

  totalBytes(path: string): number {
    this.attempt('free-space', path, () => this.mustExist(path));
    return this.account.capacity * this.sectorBytes;
  }

  bootId(): string {
    return `simulated-boot-${this.boots}`;
  }

  lock(path: string): DiskLock {
    return this.attempt('lock', path, () => {
      this.openNode(this.tree.place(path), 'write');
      const holderPid = this.locks.get(path);
      if (holderPid !== undefined) {
        throw new DiskError('locked', 'lock', path, `process ${holderPid} holds the lock`, { holderPid });
      }
      this.locks.set(path, this.processId);
      return this.heldLock(path);
    });
  }

  announce(operation: DiskOperation, path: string): void {
    this.beforeOperation?.(operation, path);
  }

  strike(operation: DiskOperation, path: string): FaultEffect | undefined {
    return this.faults.strike(operation, path);
  }

  complete(operation: AsyncDiskOperation, path: string, effect: () => void): void {
    const { generation } = this;
    this.scheduler(
      () => {
        if (generation === this.generation) effect();
      },
      operation,
      path,
    );
  }

  closed(node: FileNode): void {
    node.handles--;
    assert(node.handles >= 0, 'A simulated file was closed more often than opened');
    if (node.handles > 0) return;
    this.openNodes.delete(node);
    this.releaseIfUnreachable(node);
  }

  /** Takes note of what the sync covers; the function returned is its end. */
  private beginDirectorySync(path: string): () => void {
    this.announce('sync-directory', path);
    let directory: DirectoryNode;
    try {
      directory = this.tree.directory(path);
    } catch (cause) {
      throw toDiskError(cause, 'sync-directory', path);
    }
    const effect = this.strike('sync-directory', path);
    const sequence = this.tree.lastSequence();
    return () => {
      this.statistics.directorySyncs++;
      if (effect !== undefined && 'errno' in effect) {
        this.tree.failSyncDirectory(directory, sequence);
        throw toDiskError(errnoError(effect.errno), 'sync-directory', path);
      }
      this.tree.syncDirectory(directory, sequence);
    };
  }

  private attempt<Result>(operation: DiskOperation, path: string, action: () => Result): Result {
    this.announce(operation, path);
    try {
      const effect = this.strike(operation, path);
      if (effect !== undefined && 'errno' in effect) throw errnoError(effect.errno);
      return action();
    } catch (cause) {
      throw toDiskError(cause, operation, path);
    }
  }

  private openNode(place: Place, mode: OpenMode): FileNode {
    const node = place.directory.live.get(place.name);
    if (node?.kind === 'directory') throw errnoError('EISDIR');
    if (node !== undefined && mode === 'create') throw errnoError('EEXIST');
    if (node !== undefined) return node;
    if (mode === 'read') throw errnoError('ENOENT');
    const content = new SimulatedContent(this.sectorBytes, this.account);
    const created: FileNode = { kind: 'file', content, links: 1, handles: 0 };
    this.tree.link(place, created);
    return created;
  }

  private checkReplaceable(moved: TreeNode, replaced: TreeNode): void {
    if (replaced.kind === 'file' && moved.kind === 'directory') throw errnoError('ENOTDIR');
    if (replaced.kind === 'directory' && moved.kind === 'file') throw errnoError('EISDIR');
    if (replaced.kind === 'directory' && replaced.live.size > 0) throw errnoError('ENOTEMPTY');
  }

  private removeNode(place: Place): void {
    const node = place.directory.live.get(place.name);
    if (node?.kind === 'directory') {
      for (const name of [...node.live.keys()].sort()) this.removeNode({ directory: node, name });
    }
    this.tree.unlink(place);
    if (node?.kind === 'file') this.dropLink(node);
  }

  private dropLink(node: FileNode): void {
    node.links--;
    this.releaseIfUnreachable(node);
  }

  private releaseIfUnreachable(node: FileNode): void {
    if (node.links <= 0 && node.handles === 0) node.content.release();
  }

  private endProcess(): void {
    this.currentGeneration++;
    for (const node of this.openNodes) node.handles = 0;
    this.openNodes.clear();
    this.locks.clear();
  }

  private heldLock(path: string): DiskLock {
    const { generation } = this;
    let isHeld = true;
    return {
      path,
      release: () => {
        if (isHeld && generation === this.generation) this.locks.delete(path);
        isHeld = false;
      },
    };
  }

  private mustExist(path: string): void {
    if (this.tree.find(path) === undefined) throw errnoError('ENOENT');
  }
}
