/** All that one shard has to do with messages that wait for their time: those that its sessions publish, and the logs that it owns. */
import type { Clock, Timers } from '../../io/ports.js';
import type { StorageError } from '../../storage/errors.js';
import type { CatalogListener } from '../catalog/listener.js';
import type { Catalog } from '../catalog.js';
import type { LogFiles } from '../log-views.js';
import type { ExchangeEntry } from '../model.js';
import type { OwnedPartition } from '../owned-partition.js';
import type { PartitionOwner } from '../partition-owner.js';
import { PushReader } from '../push-reader.js';
import { DelayLog } from './delay-log.js';
import { type DelayLimits, HELD_BATCH_BYTES } from './limits.js';
import type { MessageHolder } from './message-holder.js';
import type { DelayHost, DelayParts } from './parts.js';

/** What it needs of its shard. */
export interface DelaysParts {
  readonly catalog: Catalog;
  readonly holder: MessageHolder;
  readonly owner: PartitionOwner;
  readonly clock: Clock;
  readonly timers: Timers;
  /** See DelayParts. */
  readonly canFire: () => boolean;
  readonly fire: DelayParts['fire'];
  readonly limits: DelayLimits;
}

/** See the top of this file. */
export class Delays implements CatalogListener {
  private readonly holder: MessageHolder;
  private readonly owner: PartitionOwner;
  private readonly logParts: DelayParts;
  private readonly logs = new Map<number, DelayLog>();
  private isStarted = false;

  constructor(parts: DelaysParts) {
    const { owner, catalog, clock, timers, fire, canFire, limits } = parts;
    this.holder = parts.holder;
    this.owner = owner;
    this.logParts = {
      clock,
      timers,
      ...limits,
      fire,
      exchangeExists: (vhost, exchange) =>
        exchange === '' ? catalog.hasVhost(vhost) : catalog.exchange(vhost, exchange) !== undefined,
      get canFire() {
        return canFire();
      },
    };
    catalog.listen(this);
  }

  /** Makes a partition of the internal topic one that fires what it holds. Before anything is appended to it. */
  open(partition: OwnedPartition, files: LogFiles): void {
    const { logId } = partition.log;
    const log = new DelayLog(this.hostOf(partition, files), this.logParts);
    partition.policies = log;
    this.logs.set(logId, log);
    if (this.isStarted) log.start();
  }

  /** Every shard has its logs and can be reached: what is due fires. */
  start(): void {
    this.isStarted = true;
    for (const log of this.logs.values()) log.start();
  }

  /** Nothing is fired any more. */
  stop(): void {
    for (const log of this.logs.values()) log.stop();
  }

  /** Logs of held messages on this shard, for metrics. */
  all(): IterableIterator<DelayLog> {
    return this.logs.values();
  }

  // ---- CatalogListener ----

  exchangeDeclared(exchange: ExchangeEntry): void {
    this.holder.exchangeDeclared(exchange);
  }

  exchangeDeleted(vhost: string, name: string): void {
    this.holder.exchangeDeleted(vhost, name);
    for (const log of this.logs.values()) log.exchangeDeleted(vhost, name);
  }

  bound(): void {}

  unbound(): void {}

  topicChanged(): void {}

  private hostOf(partition: OwnedPartition, files: LogFiles): DelayHost {
    const { owner } = this;
    const { log, slot } = partition;
    const firing = new PushReader(files, log.logId, slot, false, HELD_BATCH_BYTES);
    const scanning = new PushReader(files, log.logId, slot);
    const cursor = partition.companion.attachCursor();
    return {
      cursor,
      get visibleEnd() {
        return Math.min(log.visibleEnd, cursor.end);
      },
      get nextOffset() {
        return log.nextOffset;
      },
      read: (offset, end) => firing.read(offset, end),
      scan: (offset, end) => scanning.read(offset, end),
      forgetScan: () => scanning.forget(),
      touch: () => {
        if (owner.get(log.logId) === partition) owner.touch(partition);
      },
      damaged: (error: StorageError) => owner.onDamage(log.logId, error),
    };
  }
}
