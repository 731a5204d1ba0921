/** One shard of a simulated node: the parts and the order of src/node/shard.ts, without doors and threads. */
import { Catalog, type MetadataStep } from '../../../src/broker/catalog.js';
import type { RequestHandler } from '../../../src/broker/peer-link.js';
import { ShardBroker } from '../../../src/broker/shard-broker.js';
import type { SimulatedClock } from '../../../src/io/clock/simulated-clock.js';
import type { Disk } from '../../../src/io/ports.js';
import { SeededRandom } from '../../../src/io/random/seeded-random.js';
import { type InboundMessage, type InThreadDoorbells, type MeshLayout, ShardMesh } from '../../../src/io/ring/index.js';
import { ARENA_GRANULE_BYTES } from '../../../src/io/ring/layout.js';
import type { Control } from '../../../src/node/control.js';
import type { StepFailure } from '../../../src/node/control-messages.js';
import { SharedLogFiles } from '../../../src/node/log-files.js';
import { MeshLink } from '../../../src/node/mesh-link.js';
import { PartitionPublisher, SharedBounds } from '../../../src/node/partition-publisher.js';
import { ShardLogs } from '../../../src/node/shard-logs.js';
import type { StorageError } from '../../../src/storage/errors.js';
import type { StorageLimits } from '../../../src/storage/limits.js';
import { ShardStorage } from '../../../src/storage/shard-storage.js';

/** Something that is done to a node's parts to make them worse than they are; see the defects of each run. */
export interface Sabotage {
  /** A storage in the place of the one given. */
  readonly storage?: (storage: ShardStorage, shard: number) => ShardStorage;
  /** Changes a broker that was just made. */
  readonly broker?: (broker: ShardBroker) => void;
}

/** What a simulated shard is made of. */
export interface SimulatedShardOptions {
  readonly shard: number;
  readonly layout: MeshLayout;
  readonly doorbells: InThreadDoorbells;
  readonly clock: SimulatedClock;
  readonly disk: Disk;
  readonly directory: string;
  readonly journalId: number;
  readonly limits: Partial<StorageLimits>;
  /** What the shard knows when it starts. */
  readonly catalog: ReturnType<Catalog['snapshot']>;
  readonly control: () => Control;
  readonly sabotage: Sabotage;
  /** The journal could not be written: a real node ends here. */
  readonly onFatal: (error: StorageError) => void;
  /** Messages that cannot be read were passed over. */
  readonly onDamage: (text: string) => void;
}

/** See the top of this file. */
export class SimulatedShard {
  readonly catalog = new Catalog();
  readonly storage: ShardStorage;
  readonly broker: ShardBroker;
  readonly files: SharedLogFiles;
  readonly bounds: SharedBounds;
  readonly logs: ShardLogs;
  readonly mesh: ShardMesh;
  private readonly options: SimulatedShardOptions;
  private readonly links = new Map<number, MeshLink>();
  private readonly handlers = new Map<number, RequestHandler>();

  constructor(options: SimulatedShardOptions) {
    const { disk, directory, clock, shard, layout, sabotage } = options;
    this.options = options;
    this.catalog.restore(options.catalog);
    this.mesh = this.openMesh();
    this.bounds = new SharedBounds(this.mesh);
    this.files = new SharedLogFiles(disk, directory, this.bounds);
    const publisher = new PartitionPublisher(this.mesh, (logId) => this.broker.owner.get(logId)?.readyToPublish() ?? 0);
    const storage = this.openStorage(publisher);
    this.storage = sabotage.storage?.(storage, shard) ?? storage;
    this.broker = new ShardBroker({
      shard,
      shards: layout.budget.shards,
      storage: this.storage,
      catalog: this.catalog,
      table: this.bounds,
      files: this.files,
      control: options.control(),
      clock,
      timers: clock,
    });
    this.broker.owner.onDamage = (logId, error) => options.onDamage(`log ${logId}: ${error.message}`);
    sabotage.broker?.(this.broker);
    this.connectPeers();
    this.logs = new ShardLogs({ storage: this.storage, broker: this.broker, files: this.files, publisher });
  }

  /** Applies what the control thread says. Resolves with what failed. */
  async apply(steps: readonly MetadataStep[]): Promise<readonly StepFailure[]> {
    const failures = await this.logs.applySteps(this.catalog, steps);
    return failures.map(({ version, cause }) => ({ version, error: { code: 'internal', message: String(cause) } }));
  }

  private openMesh(): ShardMesh {
    const { clock, layout, shard, doorbells } = this.options;
    const schedule = {
      nextTurn: (callback: () => void) => clock.setImmediate(callback),
      endOfTurn: (callback: () => void) => queueMicrotask(callback),
      idleTurns: 0,
    };
    const handlers = {
      onRequest: (message: InboundMessage) => this.requested(message, false),
      onNotice: (message: InboundMessage) => this.requested(message, true),
      onReply: (message: InboundMessage) => this.links.get(message.from)?.onReply(message),
      onDirty: (slot: number) => this.broker.slotAdvanced(slot),
      onTurnEnd: () => this.broker.ringsDrained(),
    };
    return ShardMesh.attach(layout, shard, doorbells, handlers, schedule);
  }

  private connectPeers(): void {
    const { budget } = this.options.layout;
    for (let peer = 0; peer < budget.shards; peer++) {
      if (peer === this.options.shard) continue;
      const link = new MeshLink(this.mesh.channel(peer), budget.arenaGranules * ARENA_GRANULE_BYTES);
      this.links.set(peer, link);
      this.handlers.set(peer, this.broker.connect(link));
    }
  }

  private requested(message: InboundMessage, isNotice: boolean): void {
    const handler = this.handlers.get(message.from);
    if (handler !== undefined) this.links.get(message.from)?.deliver(message, isNotice, handler);
  }

  private openStorage(table: PartitionPublisher): ShardStorage {
    const { disk, limits, clock, journalId, directory, onFatal } = this.options;
    return ShardStorage.open({
      disk,
      clock,
      timers: clock,
      random: new SeededRandom(journalId),
      directory,
      journalId,
      table,
      limits,
      onFatal,
      onLogOffline: (log) => this.broker.owner.logOffline(log.logId),
    });
  }
}
