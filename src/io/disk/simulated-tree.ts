import { posix } from 'node:path';
import { assert } from '../../base/assert.js';
import type { Prng } from '../../base/prng.js';
import type { SimulatedContent } from './simulated-content.js';
import { errnoError } from './simulated-faults.js';

/** A simulated file, whatever its names. */
export interface FileNode {
  readonly kind: 'file';
  readonly content: SimulatedContent;
  /** Names in the live tree. */
  links: number;
  /** Open files. */
  handles: number;
}

/** A simulated directory: entries as programs see them, and as power loss leaves them. */
export interface DirectoryNode {
  readonly kind: 'directory';
  live: Map<string, TreeNode>;
  /** An entry that was removed stays, without a node, as long as an older change could still bring it back. */
  durable: Map<string, { readonly node: TreeNode | undefined; readonly sequence: number }>;
}

/** What a name can lead to. */
export type TreeNode = FileNode | DirectoryNode;

/** A directory and a name in it. */
export interface Place {
  readonly directory: DirectoryNode;
  readonly name: string;
}

interface Assignment extends Place {
  readonly node: TreeNode | undefined;
}

/** One create, rename or unlink that is not durable yet. It becomes so as a whole. */
interface PendingChange {
  readonly sequence: number;
  readonly assignments: readonly Assignment[];
  /** What is created, moved or removed. */
  readonly subject: TreeNode;
  /** Directories whose sync is still missing. */
  readonly unsynced: Set<DirectoryNode>;
}

/** A directory without entries. */
export function emptyDirectory(): DirectoryNode {
  return { kind: 'directory', live: new Map(), durable: new Map() };
}

/**
 * Names and what they lead to. Changes show at once and become durable when all directories they touch have been synced;
 * power loss keeps or drops each other change by itself, in whatever order they were made.
 */
export class SimulatedTree {
  readonly root: DirectoryNode = emptyDirectory();
  private pending: PendingChange[] = [];
  private sequence = 0;

  /** How many changes power loss could take away. */
  get pendingCount(): number {
    return this.pending.length;
  }

  find(path: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.root;
    for (const name of namesOf(path)) {
      if (node?.kind !== 'directory') return undefined;
      node = node.live.get(name);
    }
    return node;
  }

  /** @throws an `ENOENT` or `ENOTDIR` error. */
  directory(path: string): DirectoryNode {
    const node = this.find(path);
    if (node === undefined) throw errnoError('ENOENT');
    if (node.kind !== 'directory') throw errnoError('ENOTDIR');
    return node;
  }

  /**
   * Where `path` is or would be.
   * @throws an `ENOENT` or `ENOTDIR` error when its directory is missing.
   */
  place(path: string): Place {
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) throw errnoError('EINVAL');
    return { directory: this.directory(names.join('/')), name };
  }

  link(place: Place, node: TreeNode): void {
    this.change([{ ...place, node }], node);
  }

  unlink(place: Place): void {
    this.change([{ ...place, node: undefined }], nodeAt(place));
  }

  /** Moves a node in one change; what the target led to loses that name. */
  move(from: Place, to: Place): void {
    const node = nodeAt(from);
    this.change(
      [
        { ...from, node: undefined },
        { ...to, node },
      ],
      node,
    );
  }

  /** The number of the last change: a sync that begins now covers the changes up to it. */
  lastSequence(): number {
    return this.sequence;
  }

  /** Makes durable the changes up to `sequence` that wait for no other directory. */
  syncDirectory(directory: DirectoryNode, sequence: number): void {
    for (const change of this.pending) {
      if (change.sequence <= sequence && change.unsynced.delete(directory) && change.unsynced.size === 0) apply(change);
    }
    this.pending = this.pending.filter((change) => change.unsynced.size > 0);
  }

  /** Makes every change durable. */
  syncAll(): void {
    for (const change of this.pending) apply(change);
    this.pending = [];
  }

  /** A failed sync: what it covered is neither durable nor written by any later sync. */
  failSyncDirectory(directory: DirectoryNode, sequence: number): void {
    this.pending = this.pending.filter((change) => change.sequence > sequence || !change.unsynced.has(directory));
  }

  /**
   * Power loss. Afterwards the live tree is the durable one; contents are the caller's business. A change that was lost
   * takes later changes of the same file or directory with it.
   */
  crash(prng: Prng): void {
    const lost = new Set<TreeNode>();
    for (const change of this.pending) {
      if (prng.chance(0.5) && !lost.has(change.subject)) apply(change);
      else lost.add(change.subject);
    }
    this.pending = [];
    restore(this.root);
  }

  /** Every file that has a name, in the order of their paths, with the number of its names. */
  files(): Map<FileNode, number> {
    const found = new Map<FileNode, number>();
    collect(this.root, found);
    return found;
  }

  private change(assignments: readonly Assignment[], subject: TreeNode): void {
    for (const { directory, name, node } of assignments) {
      if (node === undefined) directory.live.delete(name);
      else directory.live.set(name, node);
    }
    const unsynced = new Set(assignments.map((assignment) => assignment.directory));
    this.pending.push({ sequence: ++this.sequence, assignments, subject, unsynced });
  }
}

/** A newer change may have become durable before an older one; then the newer stays. */
function apply(change: PendingChange): void {
  for (const { directory, name, node } of change.assignments) {
    const current = directory.durable.get(name);
    if (current !== undefined && current.sequence > change.sequence) continue;
    directory.durable.set(name, { node, sequence: change.sequence });
  }
}

function nodeAt(place: Place): TreeNode {
  const node = place.directory.live.get(place.name);
  assert(node !== undefined, `There is no "${place.name}" to move or remove`);
  return node;
}

function restore(directory: DirectoryNode): void {
  directory.live = new Map();
  for (const [name, { node, sequence }] of directory.durable) {
    if (node === undefined) {
      directory.durable.delete(name);
      continue;
    }
    directory.live.set(name, node);
    directory.durable.set(name, { node, sequence });
    if (node.kind === 'directory') restore(node);
  }
}

function collect(directory: DirectoryNode, found: Map<FileNode, number>): void {
  for (const [, node] of [...directory.live].sort(([left], [right]) => (left < right ? -1 : 1))) {
    if (node.kind === 'directory') collect(node, found);
    else found.set(node, (found.get(node) ?? 0) + 1);
  }
}

function namesOf(path: string): string[] {
  return posix
    .normalize(path)
    .split('/')
    .filter((name) => name !== '' && name !== '.');
}
