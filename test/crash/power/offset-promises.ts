import type { Safety } from './log-promises.js';
import { promised } from './violation.js';

interface Commits {
  /** The last one that must be there, and all after it. */
  readonly offsets: number[];
  /** Index in `offsets` of the last one that must be there, by what it outlives; -1 for none. */
  memory: number;
  disk: number;
}

/** What groups have committed for one log. */
export class OffsetPromises {
  private readonly label: string;
  private readonly groups = new Map<string, Commits>();

  constructor(label: string) {
    this.label = label;
  }

  /** A commit was sent. Returns what `confirm` is to be called with. */
  commit(group: string, offset: number): number {
    const commits = this.groups.get(group) ?? { offsets: [], memory: -1, disk: -1 };
    this.groups.set(group, commits);
    return commits.offsets.push(offset) - 1;
  }

  /** A commit was confirmed. */
  confirm(group: string, index: number, safety: Safety): void {
    const commits = this.groups.get(group);
    if (commits === undefined) return;
    commits.memory = Math.max(commits.memory, index);
    if (safety === 'disk') commits.disk = Math.max(commits.disk, index);
  }

  /** Number of groups. */
  names(): string[] {
    return [...this.groups.keys()];
  }

  /** In one life a group reads what was committed last. */
  checkNow(group: string, found: number): void {
    const last = this.groups.get(group)?.offsets.at(-1) ?? -1;
    promised(found === last, 'offset-commit', () => `${group} has ${found} for ${this.label}: ${last} was committed`);
  }

  /**
   * After a start a group has the last confirmed offset or a later one. One that names messages which are lost may have been drawn back to where the
   * log ended, behind `lastOffset`.
   */
  check(end: 'power' | 'kill' | 'close', lastOffset: number, fetch: (group: string) => number): void {
    for (const [group, commits] of this.groups) {
      let last = commits.offsets.length - 1;
      if (end === 'power') last = commits.disk;
      else if (end === 'kill') last = commits.memory;
      const allowed = commits.offsets.slice(Math.max(0, last));
      const found = fetch(group);
      const isKept = allowed.some((offset) => found === offset || (found > lastOffset && found < offset));
      promised(
        isKept || (last < 0 && found === -1),
        'offset-commit',
        () => `${group} has ${found} for ${this.label} after ${end}: one of ${allowed.join(', ')} was committed`,
      );
      // What a start has recovered is on disk before anything new is.
      if (found === -1) this.groups.delete(group);
      else this.groups.set(group, { offsets: [found], memory: 0, disk: 0 });
    }
  }
}
