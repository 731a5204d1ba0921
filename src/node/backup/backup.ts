/** Backups of a node that serves, from the control thread: docs/design/backup.md. */
import { join } from 'node:path';
import type { Catalog } from '../../broker/catalog.js';
import { BrokerError } from '../../broker/errors.js';
import { DiskError } from '../../io/disk/disk-error.js';
import type { Clock, Disk, Random } from '../../io/ports.js';
import type { ShardCapture } from '../../storage/log-capture.js';
import type { Control } from '../control.js';
import { snapshotFile } from '../metadata-log.js';
import type { ShardGroup } from '../shard-group.js';
import { BackupWriter } from './backup-writer.js';
import { BackupError } from './manifest.js';
import type { BackupOutcome, BackupRequest } from './request.js';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;

/** What backups are made with. */
export interface BackupParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly control: Control;
  readonly catalog: Catalog;
  readonly shards: ShardGroup;
  /** The node's data folder. */
  readonly source: string;
  /** Where backups go; undefined: nowhere. */
  readonly directory: string | undefined;
  readonly nodeName: string;
  readonly version: string;
}

/** The whole node at one moment. */
interface Moment {
  readonly takenAt: string;
  readonly metadata: Uint8Array;
  readonly metadataVersion: number;
  readonly captures: readonly ShardCapture[];
  readonly heldMs: number;
}

/** See the top of this file. */
export class Backups {
  private readonly parts: BackupParts;
  private running: Promise<BackupOutcome> | undefined;
  private isStopped = false;

  constructor(parts: BackupParts) {
    this.parts = parts;
  }

  /** Makes a backup. @throws BrokerError `invalid-request`, `precondition-failed`, `no-space`, `internal`: then there is none */
  async make({ name }: BackupRequest): Promise<BackupOutcome> {
    const { directory, disk } = this.parts;
    if (directory === undefined) {
      throw new BrokerError('precondition-failed', 'Cannot make a backup: the node was started without --backup-dir');
    }
    if (!NAME.test(name)) {
      throw new BrokerError('invalid-request', `Cannot make a backup "${name}": a name has letters, digits, and _ . -`);
    }
    const folder = join(directory, name);
    if (disk.exists(folder)) throw new BrokerError('precondition-failed', `Cannot make a backup: ${folder} exists`);
    if (this.running !== undefined || this.isStopped) {
      throw new BrokerError('precondition-failed', 'Cannot make a backup: another one is under way');
    }
    this.running = this.run(folder);
    try {
      return await this.running;
    } catch (cause) {
      throw asBrokerError(cause, folder);
    } finally {
      this.running = undefined;
    }
  }

  /** Gives up what is under way. */
  async stop(): Promise<void> {
    this.isStopped = true;
    // Whoever asked for it is told.
    await this.running?.catch(() => undefined);
  }

  private async run(folder: string): Promise<BackupOutcome> {
    const { disk, clock, shards } = this.parts;
    const startedMs = clock.monotonicMs();
    const partial = `${folder}.partial`;
    disk.remove(partial);
    try {
      await shards.all('pinned', { kind: 'backup', step: 'pin' });
      const moment = await this.takeMoment();
      const writer = await this.writeAll(partial, moment);
      disk.rename(partial, folder);
      disk.syncDirectory(join(folder, '..'));
      const { takenAt, captures, heldMs } = moment;
      const logs = captures.reduce((sum, capture) => sum + capture.logs.length, 0);
      const durationMs = Math.round(clock.monotonicMs() - startedMs);
      return { folder, takenAt, logs, files: writer.count, bytes: writer.bytes, heldMs, durationMs };
    } catch (cause) {
      disk.remove(partial);
      throw cause;
    } finally {
      shards.tell({ kind: 'backup', step: 'unpin' });
    }
  }

  /** Looks at all shards while the metadata is at rest; nothing is confirmed at disk between the first look and the last. */
  private takeMoment(): Promise<Moment> {
    const { control, catalog, shards, clock } = this.parts;
    return control.atRest(async () => {
      const takenAt = new Date(clock.nowMs()).toISOString();
      const sinceMs = clock.monotonicMs();
      try {
        const metadata = snapshotFile(catalog);
        const captured = await shards.all('captured', { kind: 'backup', step: 'capture' });
        const captures = captured.map(({ capture }) => wholeCapture(capture));
        const heldMs = Math.round(clock.monotonicMs() - sinceMs);
        return { takenAt, metadata, metadataVersion: catalog.version, captures, heldMs };
      } finally {
        shards.tell({ kind: 'backup', step: 'resume' });
      }
    });
  }

  private async writeAll(target: string, moment: Moment): Promise<BackupWriter> {
    const { disk, random, source, nodeName, version } = this.parts;
    const { captures, metadata, metadataVersion, takenAt } = moment;
    const writer = new BackupWriter({ disk, random, source, target, isCancelled: () => this.isStopped });
    await writer.write('metadata/snapshot', metadata);
    // Journal ids follow from it: those of a restored node must be above the ones that its checkpoints name.
    await writer.write('starts', disk.readFile(join(source, 'starts')));
    const decisions = captures.flatMap((capture) => capture.decisions);
    if (decisions.length > 0) await writer.journal(captures[0]!.journalId, decisions);
    const logs = captures.flatMap((capture) => capture.logs);
    for (const log of logs) await writer.log(log);
    await writer.finish({ node: nodeName, version, takenAt, metadataVersion, logs: logs.length });
    return writer;
  }
}

function wholeCapture(capture: ShardCapture | { readonly error: string }): ShardCapture {
  if ('error' in capture) throw new BackupError('failed', capture.error);
  return capture;
}

function asBrokerError(cause: unknown, folder: string): BrokerError {
  if (cause instanceof BackupError)
    return new BrokerError('precondition-failed', `Cannot make ${folder}: ${cause.message}`);
  if (!(cause instanceof DiskError)) throw cause;
  const code = cause.code === 'no-space' ? 'no-space' : 'precondition-failed';
  return new BrokerError(code, `Cannot make ${folder}: ${cause.message}`, cause);
}
