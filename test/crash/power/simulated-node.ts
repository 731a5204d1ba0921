/**
 * A node of one or more shards on a simulated disk and clock: the parts and the order of src/node/node.ts, on one thread.
 */
import type { Catalog, MetadataStep } from '../../../src/broker/catalog.js';
import type { ShardBroker } from '../../../src/broker/shard-broker.js';
import { SimulatedClock } from '../../../src/io/clock/simulated-clock.js';
import type { Disk } from '../../../src/io/ports.js';
import { createMeshLayout, InThreadDoorbells, minimumMeshBytes, planMeshBudget } from '../../../src/io/ring/index.js';
import { Control } from '../../../src/node/control.js';
import type { SealConditions, SealResult, StepFailure } from '../../../src/node/control-messages.js';
import { DataFolder, journalIdOf } from '../../../src/node/data-folder.js';
import type { SharedLogFiles } from '../../../src/node/log-files.js';
import { MetadataLog } from '../../../src/node/metadata-log.js';
import type { SharedBounds } from '../../../src/node/partition-publisher.js';
import { sealLogs } from '../../../src/node/seal-logs.js';
import type { StorageError } from '../../../src/storage/errors.js';
import { findJournals, removeJournals } from '../../../src/storage/journal/reader.js';
import type { StorageLimits } from '../../../src/storage/limits.js';
import type { ShardStorage } from '../../../src/storage/shard-storage.js';
import { type Sabotage, SimulatedShard } from './simulated-shard.js';

const DATA = '/data';
/** Slots of the partition table: more logs than a simulation has alive at once. */
const SLOTS = 1024;
/** The largest body that rings carry, in bytes. */
const BODY_BYTES = 1024 * 1024;
/** Rounds of the event loop after which a promise that has not settled is taken for stuck. */
const SETTLE_ROUNDS = 20_000;

/** What a simulated node is started with. */
export interface SimulatedNodeOptions {
  readonly disk: Disk;
  readonly limits: Partial<StorageLimits>;
  /** The wall clock's first reading. */
  readonly startMs: number;
  /** The process is dead: nobody waits for it any more. */
  readonly isDead: () => boolean;
  /** Default 1. */
  readonly shards?: number;
  /** What is wrong with it; nothing unless a test wants it so. */
  readonly sabotage?: Sabotage | undefined;
}

/** The process died while something was waited for. */
export class DiedError extends Error {}

/** See the top of this file. */
export class SimulatedNode {
  readonly clock: SimulatedClock;
  readonly shards: readonly SimulatedShard[];
  readonly control: Control;
  /** A journal could not be written: a real node ends here. */
  fatal: StorageError | undefined;
  /** What recovery found worth a warning, and what was passed over later. */
  readonly warnings: string[] = [];
  private readonly options: SimulatedNodeOptions;
  private readonly folder: DataFolder;
  private readonly metadata: MetadataLog;
  private readonly oldJournals: readonly number[];

  private constructor(options: SimulatedNodeOptions) {
    const { disk, shards: count = 1 } = options;
    this.options = options;
    this.clock = new SimulatedClock(options.startMs);
    this.folder = DataFolder.open(disk, DATA);
    this.metadata = MetadataLog.open(disk, this.folder.metadata);
    this.folder.removeStrayLogs((logId) => this.metadata.catalog.topicOfLog(logId) !== undefined);
    this.oldJournals = findJournals(disk, DATA);
    const shards = {
      apply: (steps: readonly MetadataStep[]) => this.apply(steps),
      seal: async (logIds: readonly number[], conditions: SealConditions) => this.seal(logIds, conditions),
      unseal: (logIds: readonly number[]) => {
        for (const logId of logIds) this.owner(logId).broker.owner.unseal(logId);
      },
    };
    this.control = new Control(this.metadata, shards, { defaultPartitions: 1, slots: SLOTS, shards: count });
    this.shards = this.openShards(count);
  }

  /** Starts on what the disk holds. @throws DiedError, or what keeps a node from starting */
  static async start(options: SimulatedNodeOptions): Promise<SimulatedNode> {
    const node = new SimulatedNode(options);
    for (const { logs, catalog } of node.shards) {
      node.warnings.push(...logs.recover(catalog.topics(), node.oldJournals).warnings);
    }
    const retiring = node.shards.map(({ storage }) => storage.checkpointRecovered());
    const canRetire = (await node.settle(Promise.all(retiring))).every(Boolean);
    for (const { mesh } of node.shards) mesh.start();
    if (canRetire) removeJournals(options.disk, DATA, node.oldJournals);
    for (const { broker } of node.shards) broker.delays.start();
    return node;
  }

  /** What the first shard knows of topics and queues. */
  get catalog(): Catalog {
    return this.first.catalog;
  }

  /** The first shard's. */
  get storage(): ShardStorage {
    return this.first.storage;
  }

  /** The first shard's. */
  get broker(): ShardBroker {
    return this.first.broker;
  }

  /** The first shard's. */
  get files(): SharedLogFiles {
    return this.first.files;
  }

  /** The first shard's. */
  get bounds(): SharedBounds {
    return this.first.bounds;
  }

  /** Runs the event loop until a promise settles. @throws DiedError when the process dies meanwhile */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    for (let round = 0; round < SETTLE_ROUNDS && !isSettled; round++) {
      if (this.options.isDead()) throw new DiedError('The process is dead');
      await this.clock.settle();
      // What waits for a timer, such as the second try of a checkpoint, gets it.
      if (round > 10 && !isSettled) await this.clock.advanceAsync(1);
    }
    if (!isSettled) throw new Error('The event loop runs idle, and what is waited for does not happen');
    if (this.options.isDead()) throw new DiedError('The process is dead');
    return promise;
  }

  /** An orderly stop, as the node and its shards do it. `closeDoors` runs when nothing is accepted any more. */
  async close(closeDoors: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    const { shards } = this;
    const drained = (): Promise<unknown> => this.settle(Promise.all(shards.map(({ broker }) => broker.drained())));
    for (const { broker } of shards) broker.stopAccepting();
    await drained();
    await this.settle(closeDoors());
    await drained();
    await this.settle(Promise.all(shards.map((shard) => this.stop(shard))));
    this.metadata.close();
    this.folder.close();
  }

  private async stop({ mesh, broker, storage, files }: SimulatedShard): Promise<void> {
    mesh.close();
    broker.stop();
    broker.owner.retire();
    await broker.owner.settled();
    await storage.close();
    files.close();
  }

  private get first(): SimulatedShard {
    // A node has one shard at least.
    return this.shards[0]!;
  }

  private owner(logId: number): SimulatedShard {
    return this.shards[logId % this.shards.length]!;
  }

  private openShards(count: number): SimulatedShard[] {
    const { clock, metadata } = this;
    const layout = createMeshLayout(planMeshBudget(count, minimumMeshBytes(count, BODY_BYTES), BODY_BYTES), SLOTS);
    const bells = InThreadDoorbells.create(count, (callback) => clock.setImmediate(callback));
    const { disk, limits, sabotage = {} } = this.options;
    const start = this.folder.nextStart();
    return bells.map(
      (doorbells, shard) =>
        new SimulatedShard({
          shard,
          layout,
          doorbells,
          clock,
          disk,
          directory: DATA,
          journalId: journalIdOf(start, shard),
          limits,
          catalog: metadata.catalog.snapshot(),
          control: () => this.control,
          sabotage,
          onFatal: (error) => {
            this.fatal = error;
          },
          onDamage: (text) => this.warnings.push(text),
        }),
    );
  }

  private async apply(steps: readonly MetadataStep[]): Promise<readonly StepFailure[]> {
    return (await Promise.all(this.shards.map((shard) => shard.apply(steps)))).flat();
  }

  /** All logs are sealed, or none. */
  private seal(logIds: readonly number[], conditions: SealConditions): SealResult {
    let ready = 0;
    for (const [index, logId] of logIds.entries()) {
      const result = sealLogs(this.owner(logId).broker.owner, [logId], conditions);
      if (result.sealed) ready += result.ready;
      else {
        for (const sealed of logIds.slice(0, index)) this.owner(sealed).broker.owner.unseal(sealed);
        return result;
      }
    }
    return { sealed: true, ready };
  }
}
