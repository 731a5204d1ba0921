import type { DiskFile } from '../ports.js';
import { closedError, type DiskOperation, toDiskError } from './disk-error.js';
import { ALLOCATE_CHUNK_BYTES } from './limits.js';
import { errnoError } from './simulated-faults.js';
import type { SimulatedHost } from './simulated-host.js';
import type { FileNode } from './simulated-tree.js';
import { type RawWriter, totalLength, writeFully, writevFully } from './write-loop.js';

/** An open file of the simulated disk. It is dead, as if closed, after a crash or a kill. */
export class SimulatedFile implements DiskFile, RawWriter {
  readonly path: string;
  /** There is no operating system behind it. */
  readonly descriptor = undefined;
  private readonly host: SimulatedHost;
  private readonly node: FileNode;
  private readonly isWritable: boolean;
  private readonly generation: number;
  private isClosed = false;

  constructor(host: SimulatedHost, path: string, node: FileNode, isWritable: boolean) {
    this.host = host;
    this.path = path;
    this.node = node;
    this.isWritable = isWritable;
    this.generation = host.generation;
  }

  size(): number {
    this.mustBeUsable('size');
    return this.node.content.size;
  }

  read(target: Uint8Array, position: number): number {
    this.mustBeUsable('read');
    this.begin('read');
    return this.readNow(target, position);
  }

  readAsync(target: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.mustBeUsable('read');
      const failure = this.failureOf('read');
      this.host.complete('read', this.path, () => {
        if (failure !== undefined) reject(failure);
        else resolve(this.readNow(target, position));
      });
    });
  }

  write(bytes: Uint8Array, position: number): void {
    this.mustBeWritable('write');
    writeFully(this, bytes, position);
  }

  writev(chunks: readonly Uint8Array[], position: number): void {
    this.mustBeWritable('write');
    writevFully(this, chunks, position);
  }

  writeSome(bytes: Uint8Array, offset: number, length: number, position: number): number {
    const effect = this.host.strike('write', this.path);
    if (effect !== undefined && 'errno' in effect) throw errnoError(effect.errno);
    const allowed = effect === undefined ? length : Math.min(length, effect.shortBytes);
    const count = this.node.content.write(bytes.subarray(offset, offset + allowed), position);
    this.host.statistics.writes++;
    this.host.statistics.writtenBytes += count;
    // As Linux does: a full disk first cuts a write short, and refuses the next one.
    if (count === 0 && allowed > 0) throw errnoError('ENOSPC');
    return count;
  }

  writevSome(chunks: readonly Uint8Array[], position: number): number {
    const joined = new Uint8Array(totalLength(chunks));
    let at = 0;
    for (const chunk of chunks) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    return this.writeSome(joined, 0, joined.length, position);
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.mustBeUsable('sync');
      const failure = this.failureOf('sync');
      const snapshot = this.node.content.beginSync();
      this.host.complete('sync', this.path, () => {
        this.host.statistics.syncs++;
        if (failure === undefined) {
          this.node.content.completeSync(snapshot);
          resolve();
        } else {
          this.node.content.failSync(snapshot);
          reject(failure);
        }
      });
    });
  }

  syncNow(): void {
    this.mustBeUsable('sync');
    const failure = this.failureOf('sync');
    const snapshot = this.node.content.beginSync();
    this.host.statistics.syncs++;
    if (failure !== undefined) {
      this.node.content.failSync(snapshot);
      throw failure;
    }
    this.node.content.completeSync(snapshot);
  }

  /** A hint promises nothing, so a crash may still lose the range. */
  startWriteback(_position: number, _length: number): void {
    this.mustBeUsable('sync');
  }

  allocate(size: number): void {
    this.mustBeWritable('allocate');
    const before = this.size();
    try {
      for (let position = before; position < size; position += ALLOCATE_CHUNK_BYTES) {
        writeFully(this, new Uint8Array(Math.min(ALLOCATE_CHUNK_BYTES, size - position)), position);
      }
    } catch (cause) {
      this.truncate(before);
      throw cause;
    }
    this.syncNow();
  }

  truncate(size: number): void {
    this.mustBeWritable('truncate');
    this.begin('truncate');
    this.node.content.truncate(size);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.generation === this.host.generation) this.host.closed(this.node);
  }

  private readNow(target: Uint8Array, position: number): number {
    const count = this.node.content.read(target, position);
    this.host.statistics.reads++;
    this.host.statistics.readBytes += count;
    return count;
  }

  private begin(operation: DiskOperation): void {
    const failure = this.failureOf(operation);
    if (failure !== undefined) throw failure;
  }

  private failureOf(operation: DiskOperation): Error | undefined {
    const effect = this.host.strike(operation, this.path);
    if (effect === undefined || !('errno' in effect)) return undefined;
    return toDiskError(errnoError(effect.errno), operation, this.path);
  }

  private mustBeUsable(operation: DiskOperation): void {
    if (this.isClosed || this.generation !== this.host.generation) throw closedError(operation, this.path);
    if (operation !== 'size') this.host.announce(operation, this.path);
  }

  private mustBeWritable(operation: DiskOperation): void {
    this.mustBeUsable(operation);
    // The operating system's answer to writing through a handle for reading is EBADF, to truncating EINVAL.
    if (!this.isWritable) throw toDiskError(errnoError('EINVAL'), operation, this.path);
  }
}
