/**
 * One shard: its storage, its broker, its place in the mesh and its doors, and what the control thread asks of it. Runs on a worker thread, or on the
 * main thread for `threads: 0`.
 */
import { assert } from '../base/assert.js';
import { CodedError } from '../base/errors.js';
import { Catalog, type MetadataStep } from '../broker/catalog.js';
import type { RequestHandler } from '../broker/peer-link.js';
import { ShardBroker } from '../broker/shard-broker.js';
import { realClock, realTimers } from '../io/clock/real-clock.js';
import { installCodecs } from '../io/codecs/install.js';
import { RealDisk } from '../io/disk/real-disk.js';
import { installNativeCrc32c } from '../io/native-crc.js';
import type { TimerHandle } from '../io/ports.js';
import { RealRandom } from '../io/random/real-random.js';
import { type InboundMessage, InThreadDoorbells, PortDoorbells, ShardMesh } from '../io/ring/index.js';
import { ARENA_GRANULE_BYTES } from '../io/ring/layout.js';
import type { ThreadPort } from '../io/threads.js';
import { setCodec } from '../record/codec.js';
import { inlinePool } from '../storage/maintenance.js';
import { ShardStorage } from '../storage/shard-storage.js';
import type { FromShard, ToShard } from './control-messages.js';
import { ControlRequests } from './control-requests.js';
import { startOf } from './data-folder.js';
import { endThread } from './end-thread.js';
import { SharedLogFiles } from './log-files.js';
import { closeByOperator, inspectDoors } from './management/inspection.js';
import { MeshLink } from './mesh-link.js';
import { PartitionPublisher, SharedBounds } from './partition-publisher.js';
import { sealLogs } from './seal-logs.js';
import { shardAccess } from './shard-access.js';
import { ShardDoors } from './shard-doors.js';
import { ShardLogs } from './shard-logs.js';
import { ShardMeter } from './shard-meter.js';
import { type Readiness, shardProbe } from './shard-probe.js';
import type { ShardSetup } from './shard-setup.js';
import { type ShardTokens, shardTokens } from './shard-tokens.js';

type Port = ThreadPort<ToShard, FromShard>;

/** Runs a shard until it is told to stop. */
export async function runShard(setup: ShardSetup, port: Port): Promise<void> {
  const warn = (reason: Error): void =>
    port.postMessage({ kind: 'log', level: 'warn', message: reason.message, fields: {} });
  installNativeCrc32c(warn);
  installCodecs(setCodec, warn);
  const shard = new Shard(setup, port);
  port.onMessage((message) => shard.receive(message));
  await shard.start();
}

/** See the top of this file. */
class Shard {
  private readonly setup: ShardSetup;
  private readonly port: Port;
  private readonly catalog = new Catalog();
  private readonly mesh: ShardMesh;
  private readonly links = new Map<number, MeshLink>();
  private readonly requestHandlers = new Map<number, RequestHandler>();
  private readonly storage: ShardStorage;
  private readonly broker: ShardBroker;
  private readonly files: SharedLogFiles;
  private readonly logs: ShardLogs;
  private readonly control: ControlRequests;
  private readonly tokens: ShardTokens | undefined;
  private readonly doors: ShardDoors;
  private readonly meter: ShardMeter;
  /** Settles when the doors are open, or could not be opened. */
  private opening: Promise<unknown> = Promise.resolve();
  private isClosing = false;
  /** What the control thread said last of the whole node. */
  private readiness: Readiness = { ready: false, reasons: ['The node is starting'] };
  private maintenanceTimer: TimerHandle | undefined;
  /** Changes are applied one after the other. */
  private applying: Promise<void> = Promise.resolve();

  constructor(setup: ShardSetup, port: Port) {
    this.setup = setup;
    this.port = port;
    this.catalog.restore(setup.catalog);
    this.control = new ControlRequests((message) => port.postMessage(message));
    this.mesh = this.attachMesh();
    const bounds = new SharedBounds(this.mesh);
    const disk = new RealDisk();
    this.files = new SharedLogFiles(disk, setup.dataPath, bounds);
    const publisher = new PartitionPublisher(this.mesh, (logId) => this.broker.owner.get(logId)?.readyToPublish() ?? 0);
    this.storage = this.openStorage(disk, publisher);
    this.broker = new ShardBroker({
      shard: setup.shard,
      shards: setup.shards,
      storage: this.storage,
      catalog: this.catalog,
      table: bounds,
      files: this.files,
      control: this.control,
      clock: realClock,
      timers: realTimers,
      consumerTimeoutMs: setup.config.consumerTimeout * 1000,
    });
    this.broker.owner.onDamage = (logId, error) => {
      this.log('error', `The queue of log ${logId} passed over damaged messages: ${error.message}`);
    };
    this.connectPeers();
    this.logs = new ShardLogs({ storage: this.storage, broker: this.broker, files: this.files, publisher });
    this.tokens = shardTokens(setup, this.control);
    this.doors = new ShardDoors(
      setup,
      this.broker,
      this.catalog,
      shardAccess(setup, this.catalog, this.control, (message) => port.postMessage(message), this.tokens),
      this.control,
      shardProbe(this.control, () => this.readiness),
      (level, message) => this.log(level, message),
    );
    this.meter = new ShardMeter({
      shard: setup.shard,
      broker: this.broker,
      doors: this.doors,
      mesh: this.mesh,
      links: this.links,
      storage: this.storage,
      laneBytes: setup.layout.budget.laneBytes,
    });
  }

  /** Opens the logs and joins the mesh. */
  async start(): Promise<void> {
    const startedMs = realClock.monotonicMs();
    const { logs, warnings } = this.logs.recover(this.catalog.topics(), this.setup.oldJournalIds);
    const canRetire = await this.storage.checkpointRecovered();
    this.mesh.start();
    this.scheduleMaintenance();
    const durationMs = realClock.monotonicMs() - startedMs;
    this.port.postMessage({ kind: 'recovered', logs, warnings, durationMs, canRetire });
  }

  /** Takes what the control thread says. */
  receive(message: ToShard): void {
    switch (message.kind) {
      case 'listen':
        this.listen(message);
        break;
      case 'apply':
        this.applying = this.applying.then(() => this.apply(message.steps));
        break;
      case 'seal':
        this.applying = this.applying.then(() => this.seal(message));
        break;
      case 'unseal':
        for (const logId of message.logIds) this.broker.owner.unseal(logId);
        break;
      case 'answer':
        this.control.answered(message.request, message.result, message.error);
        break;
      case 'collect':
        this.port.postMessage({ kind: 'report', collection: message.collection, report: this.meter.report() });
        break;
      case 'inspect':
        this.port.postMessage({
          kind: 'inspected',
          inspection: inspectDoors(this.setup.shard, this.doors, message.depth),
        });
        break;
      case 'close-connection':
        closeByOperator(this.doors, message.id, message.reason);
        break;
      case 'backup':
        this.backup(message.step);
        break;
      case 'alarms':
        this.doors.setBlocked(message.active.length === 0 ? undefined : `low on ${message.active.join(' and ')}`);
        break;
      case 'tls':
        this.doors.replaceTls(message.material);
        break;
      case 'token-keys':
        this.tokens?.replaceKeys(message.keys);
        break;
      case 'ready':
        this.readiness = message;
        break;
      case 'drain':
        this.finish('drain', this.drain(message.reason), () => this.port.postMessage({ kind: 'drained' }));
        break;
      case 'stop':
        this.finish('stop', this.close(), () => {
          this.port.postMessage({ kind: 'stopped' });
          this.port.close();
        });
        break;
    }
  }

  private backup(step: (ToShard & { kind: 'backup' })['step']): void {
    const { storage, port } = this;
    if (step === 'pin') void storage.pin().then(() => port.postMessage({ kind: 'pinned' }));
    else if (step === 'capture') port.postMessage({ kind: 'captured', capture: this.capture() });
    else if (step === 'resume') storage.resume();
    else storage.unpin();
  }

  private capture(): (FromShard & { kind: 'captured' })['capture'] {
    try {
      this.broker.owner.finishWrites();
      return this.storage.capture();
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return { error: error.message };
    }
  }

  private attachMesh(): ShardMesh {
    const { layout, shard, doorbells } = this.setup;
    const bells = doorbells === undefined ? InThreadDoorbells.create(1)[0] : new PortDoorbells(doorbells);
    assert(bells, 'A single shard has doorbells of its own');
    return ShardMesh.attach(layout, shard, bells, {
      onRequest: (message) => this.requested(message, false),
      onNotice: (message) => this.requested(message, true),
      onReply: (message) => this.links.get(message.from)?.onReply(message),
      onDirty: (slot) => this.broker.slotAdvanced(slot),
      onTurnEnd: () => this.broker.ringsDrained(),
    });
  }

  private openStorage(disk: RealDisk, table: PartitionPublisher): ShardStorage {
    const { dataPath, journalId, config } = this.setup;
    return ShardStorage.open({
      disk,
      clock: realClock,
      timers: realTimers,
      random: new RealRandom(),
      directory: dataPath,
      journalId,
      startOf,
      table,
      limits: { journalAreaBytes: Math.floor(config.journalSize / 2) },
      // Nothing of this shard can be written any more; a node that goes on with half of its logs would hide it.
      onFatal: (error) => endThread(error),
      onMaintenanceFailed: (log, cause) => {
        this.log('warn', `Cannot free space in log ${log.logId} now: ${cause.message}`);
      },
      onLogOffline: (log, error) => {
        this.log('error', `Log ${log.logId} stopped serving: ${error.message}`);
        this.broker.owner.logOffline(log.logId);
      },
    });
  }

  private connectPeers(): void {
    const maxBodyBytes = this.setup.layout.budget.arenaGranules * ARENA_GRANULE_BYTES;
    for (let peer = 0; peer < this.setup.shards; peer++) {
      if (peer === this.setup.shard) continue;
      const link = new MeshLink(this.mesh.channel(peer), maxBodyBytes);
      this.links.set(peer, link);
      this.requestHandlers.set(peer, this.broker.connect(link));
    }
  }

  private requested(message: InboundMessage, isNotice: boolean): void {
    const link = this.links.get(message.from);
    const handler = this.requestHandlers.get(message.from);
    if (link !== undefined && handler !== undefined) link.deliver(message, isNotice, handler);
  }

  private listen({ door, port, sharePort }: ToShard & { kind: 'listen' }): void {
    // Every shard has recovered by now.
    this.broker.delays.start();
    // The shutdown waits for all of them.
    const opening = this.doors.open(door, port, sharePort).then(
      (bound) => this.port.postMessage({ kind: 'listening', port: bound }),
      (error: unknown) => this.port.postMessage({ kind: 'listen-failed', message: textOf(error) }),
    );
    this.opening = Promise.all([this.opening, opening]);
  }

  /** Retention and cleaning, now and then. Heavy rewriting is done elsewhere; with everything on one thread there is no elsewhere. */
  private scheduleMaintenance(): void {
    const { config } = this.setup;
    const pool = config.shards === 0 ? inlinePool(new RealDisk()) : this.control;
    this.maintenanceTimer = realTimers.setTimeout(() => {
      this.storage.maintain(pool).then(
        () => {
          if (!this.isClosing) this.scheduleMaintenance();
        },
        (error: unknown) => {
          this.log('error', `Retention and cleaning failed and will be tried again: ${textOf(error)}`);
          if (!this.isClosing) this.scheduleMaintenance();
        },
      );
    }, config.maintenanceInterval * 1000);
    this.maintenanceTimer.unref();
  }

  private async apply(steps: readonly MetadataStep[]): Promise<void> {
    const failures = await this.logs.applySteps(this.catalog, steps);
    const plain = failures.map(({ version, cause }) => {
      return { version, error: { code: 'internal' as const, message: textOf(cause) } };
    });
    this.port.postMessage({ kind: 'applied', failures: plain });
  }

  private seal({ seal, logIds, conditions }: ToShard & { kind: 'seal' }): void {
    this.port.postMessage({ kind: 'sealed', seal, result: sealLogs(this.broker.owner, logIds, conditions) });
  }

  /** Reports the end of a step of the shutdown, also when the step failed: the others go on. */
  private finish(step: string, work: Promise<void>, then: () => void): void {
    work.then(then, (error: unknown) => {
      this.log('error', `Shard ${this.setup.shard} could not ${step} in good order: ${textOf(error)}`);
      then();
    });
  }

  /** Closes the doors, once what sessions have published was confirmed to them. */
  private async drain(reason: string): Promise<void> {
    // A listener that opened behind our back would hold the port, and the process with it.
    await this.opening;
    this.doors.goAway(reason);
    this.broker.stopAccepting();
    await this.applying;
    await this.broker.drained();
    await this.doors.close(reason);
    await this.broker.drained();
  }

  private async close(): Promise<void> {
    this.isClosing = true;
    if (this.maintenanceTimer !== undefined) realTimers.clearTimeout(this.maintenanceTimer);
    this.mesh.close();
    this.broker.stop();
    this.meter.stop();
    this.broker.owner.retire();
    await this.broker.owner.settled();
    this.broker.owner.stop();
    await this.storage.close();
    this.files.close();
  }

  private log(level: 'info' | 'warn' | 'error', message: string): void {
    this.port.postMessage({ kind: 'log', level, message, fields: { shard: this.setup.shard } });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
