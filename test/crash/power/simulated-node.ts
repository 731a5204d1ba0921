/**
 * A node of one shard on a simulated disk and clock: the parts and the order of src/node/node.ts and src/node/shard.ts, without doors and threads.
 */
import { Catalog, type MetadataStep } from '../../../src/broker/catalog.js';
import { ShardBroker } from '../../../src/broker/shard-broker.js';
import { SimulatedClock } from '../../../src/io/clock/simulated-clock.js';
import type { Disk } from '../../../src/io/ports.js';
import { SeededRandom } from '../../../src/io/random/seeded-random.js';
import { createMeshLayout, InThreadDoorbells, planMeshBudget, ShardMesh } from '../../../src/io/ring/index.js';
import { Control } from '../../../src/node/control.js';
import type { SealConditions, StepFailure } from '../../../src/node/control-messages.js';
import { DataFolder, journalIdOf } from '../../../src/node/data-folder.js';
import { SharedLogFiles } from '../../../src/node/log-files.js';
import { MetadataLog } from '../../../src/node/metadata-log.js';
import { PartitionPublisher, SharedBounds } from '../../../src/node/partition-publisher.js';
import { sealLogs } from '../../../src/node/seal-logs.js';
import { ShardLogs } from '../../../src/node/shard-logs.js';
import type { StorageError } from '../../../src/storage/errors.js';
import { findJournals, removeJournals } from '../../../src/storage/journal/reader.js';
import type { StorageLimits } from '../../../src/storage/limits.js';
import { ShardStorage } from '../../../src/storage/shard-storage.js';
import { type Defect, withDefectiveRecovery } from './defects.js';

const DATA = '/data';
/** Slots of the partition table: more logs than a simulation has alive at once. */
const SLOTS = 1024;
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
  /** What is wrong with its recovery; nothing unless a test wants it so. */
  readonly defect?: Defect | undefined;
}

/** The process died while something was waited for. */
export class DiedError extends Error {}

/** See the top of this file. */
export class SimulatedNode {
  readonly clock: SimulatedClock;
  readonly catalog = new Catalog();
  readonly storage: ShardStorage;
  readonly broker: ShardBroker;
  readonly files: SharedLogFiles;
  readonly bounds: SharedBounds;
  readonly control: Control;
  /** The journal could not be written: a real node ends here. */
  fatal: StorageError | undefined;
  /** What recovery found worth a warning. */
  warnings: readonly string[] = [];
  private readonly options: SimulatedNodeOptions;
  private readonly folder: DataFolder;
  private readonly metadata: MetadataLog;
  private readonly mesh: ShardMesh;
  private readonly logs: ShardLogs;
  private readonly oldJournals: readonly number[];

  private constructor(options: SimulatedNodeOptions) {
    const { disk } = options;
    this.options = options;
    this.clock = new SimulatedClock(options.startMs);
    this.folder = DataFolder.open(disk, DATA);
    this.metadata = MetadataLog.open(disk, this.folder.metadata);
    this.folder.removeStrayLogs((logId) => this.metadata.catalog.topicOfLog(logId) !== undefined);
    this.oldJournals = findJournals(disk, DATA);
    this.catalog.restore(this.metadata.catalog.snapshot());
    this.mesh = this.openMesh();
    this.bounds = new SharedBounds(this.mesh);
    this.files = new SharedLogFiles(disk, DATA, this.bounds);
    const publisher = new PartitionPublisher(this.mesh, (logId) => this.broker.owner.get(logId)?.cursor?.ready ?? 0);
    this.storage = withDefectiveRecovery(this.openStorage(publisher), options.defect);
    const shards = {
      apply: (steps: readonly MetadataStep[]) => this.applied(steps),
      seal: async (logIds: readonly number[], conditions: SealConditions) =>
        sealLogs(this.broker.owner, logIds, conditions),
      unseal: (logIds: readonly number[]) => {
        for (const logId of logIds) this.broker.owner.unseal(logId);
      },
    };
    this.control = new Control(this.metadata, shards, { defaultPartitions: 1, slots: SLOTS, shards: 1 });
    this.broker = new ShardBroker({
      shard: 0,
      shards: 1,
      storage: this.storage,
      catalog: this.catalog,
      table: this.bounds,
      files: this.files,
      control: this.control,
      clock: this.clock,
      timers: this.clock,
    });
    this.logs = new ShardLogs({ storage: this.storage, broker: this.broker, files: this.files, publisher });
  }

  /** Starts on what the disk holds. @throws DiedError, or what keeps a node from starting */
  static async start(options: SimulatedNodeOptions): Promise<SimulatedNode> {
    const node = new SimulatedNode(options);
    node.warnings = node.logs.recover(node.catalog.topics(), node.oldJournals).warnings;
    const canRetire = await node.settle(node.storage.checkpointRecovered());
    node.mesh.start();
    if (canRetire) removeJournals(options.disk, DATA, node.oldJournals);
    return node;
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

  /** An orderly stop, as the node and its shard do it. */
  async close(): Promise<void> {
    this.broker.stopAccepting();
    await this.settle(this.broker.drained());
    this.mesh.close();
    this.broker.stop();
    this.broker.owner.retire();
    await this.settle(this.broker.owner.settled());
    await this.settle(this.storage.close());
    this.files.close();
    this.metadata.close();
    this.folder.close();
  }

  private async applied(steps: readonly MetadataStep[]): Promise<readonly StepFailure[]> {
    const failures = await this.logs.applySteps(this.catalog, steps);
    return failures.map(({ version, cause }) => ({ version, error: { code: 'internal', message: String(cause) } }));
  }

  private openMesh(): ShardMesh {
    const layout = createMeshLayout(planMeshBudget(1, 1024 * 1024, 1024 * 1024), SLOTS);
    const { clock } = this;
    const [bells] = InThreadDoorbells.create(1, (callback) => clock.setImmediate(callback));
    const schedule = {
      nextTurn: (callback: () => void) => clock.setImmediate(callback),
      endOfTurn: (callback: () => void) => queueMicrotask(callback),
      idleTurns: 0,
    };
    const handlers = {
      onRequest: () => {},
      onNotice: () => {},
      onReply: () => {},
      onDirty: (slot: number) => this.broker.slotAdvanced(slot),
      onTurnEnd: () => this.broker.ringsDrained(),
    };
    return ShardMesh.attach(layout, 0, bells!, handlers, schedule);
  }

  private openStorage(table: PartitionPublisher): ShardStorage {
    const { disk, limits } = this.options;
    const journalId = journalIdOf(this.folder.nextStart(), 0);
    return ShardStorage.open({
      disk,
      clock: this.clock,
      timers: this.clock,
      random: new SeededRandom(journalId),
      directory: DATA,
      journalId,
      table,
      limits,
      onFatal: (error) => {
        this.fatal = error;
      },
      onLogOffline: (log) => this.broker.owner.logOffline(log.logId),
    });
  }
}
