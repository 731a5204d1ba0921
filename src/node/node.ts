/**
 * The control thread: starts the shards, keeps the metadata, watches, and stops everything in good order. It never touches message bytes.
 */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { AuditTrail } from '../broker/access/audit.js';
import { COUNTED_NAMES_MAX } from '../broker/access/limits.js';
import { Passwords } from '../broker/access/passwords.js';
import type { Catalog } from '../broker/catalog.js';
import { BrokerError } from '../broker/errors.js';
import { PARTITIONS_MAX } from '../broker/metadata-limits.js';
import { FRAME_OVERHEAD_BYTES } from '../doors/ws/limits.js';
import { BackgroundPool } from '../io/background-pool.js';
import { realClock, realTimers } from '../io/clock/real-clock.js';
import { RealDisk } from '../io/disk/real-disk.js';
import { glibcAllocator, MemoryTrimmer } from '../io/memory-trim.js';
import { realPasswordHasher } from '../io/password-hasher.js';
import { RealRandom } from '../io/random/real-random.js';
import { createDoorbellPorts, createMeshLayout, minimumMeshBytes, planMeshBudget } from '../io/ring/index.js';
import { createSharedCounts } from '../io/ring/shared-counts.js';
import { inThread, type SpawnOptions, workerThreads } from '../io/threads.js';
import type { TlsFiles } from '../io/tls/port.js';
import { canSharePort, chooseEngine, type EngineChoice, probePort } from '../io/ws/index.js';
import type { CleanJob, CleanResult } from '../storage/clean-segment.js';
import { findJournals, removeJournals } from '../storage/journal/reader.js';
import { firstUser, NODE_ACTOR, refuseStrangers } from './access-setup.js';
import { Administration } from './administration.js';
import { AlarmWatch, realAlarmSources } from './alarms.js';
import { auditText } from './audit-text.js';
import { Backups } from './backup/backup.js';
import type { BackupOutcome } from './backup/request.js';
import { ConfigError, checkSettings, type NodeConfig, type NodeSettings } from './config.js';
import { Control } from './control.js';
import type { ControlRequest, DoorName, PlainError } from './control-messages.js';
import { DataFolder, journalIdOf } from './data-folder.js';
import { type NodeLog, silentLog } from './log.js';
import { managementFacts } from './management/facts.js';
import { Statistics } from './management/statistics.js';
import { MetadataLog, MetadataLogError } from './metadata-log.js';
import { nodeMetrics } from './metrics.js';
import { type NodeFacts, nodeStatus } from './node-status.js';
import { NO_COUNTS, rabbitMqFamilies } from './rabbitmq-metrics.js';
import { ShardGroup } from './shard-group.js';
import type { ShardReport } from './shard-report.js';
import type { ShardSetup } from './shard-setup.js';
import { endsWithin, StopError } from './stop-deadline.js';
import type { TlsKeeper } from './tls-keeper.js';
import { tlsFilesOf } from './tls-settings.js';
import type { TokenKeyKeeper } from './token-keys.js';
import { tokenSourcesOf } from './token-settings.js';
import { VERSION } from './version.js';

/** Threads of the background pool end after this time without work. */
const POOL_IDLE_MS = 10_000;

/**
 * V8's young generation of a shard, in MiB: semi-spaces of 2 MiB stay in the processor's cache. By V8's own choice they grow to 16 MiB and are never
 * given back; no loss was seen in short runs on a busy machine, and an idle node takes 4 MiB less per shard.
 */
const SHARD_YOUNG_GENERATION_MIB = 6;

/** What a program may decide about its node, besides the settings. */
export interface StartOptions {
  /** Where log lines go; nowhere by default. */
  readonly log?: NodeLog;
  /**
   * A shard has died and the node cannot go on, or it cannot stop in good order: what still runs can only end with the process. By default that is
   * killed (SIGKILL).
   */
  readonly onDeath?: (error: Error) => void;
}

/** A node that serves. */
export interface RunningNode {
  readonly config: NodeConfig;
  /** The bound port of WebSocket and HTTP; undefined when that door is closed. */
  readonly port: number | undefined;
  /** The bound port of AMQP 0-9-1; undefined when that door is closed. */
  readonly amqpPort: number | undefined;
  /** The bound port of AMQP over TLS; undefined when that door is closed. */
  readonly amqpsPort: number | undefined;
  /** The bound port where RabbitMQ's management clients look; undefined when that door is closed. */
  readonly managementPort: number | undefined;
  /** `ws://host:port/ws`, where clients connect; `wss:` with certificates. */
  readonly url: string | undefined;
  readonly engine: EngineChoice;
  /** Reads the certificates again; what cannot be used is logged and changes nothing. Without TLS there is nothing to do. */
  reloadTls(): void;
  /**
   * Stops accepting, drains, syncs, closes: everything confirmed or not so far is on disk. Repeated calls return the same promise.
   * @throws StopError after `stopTimeout`, when `onDeath` has let the process live
   */
  stop(reason?: string): Promise<void>;
}

/**
 * Starts a node and resolves when every door serves.
 * @throws ConfigError, TlsError, DataFolderError, MetadataLogError, ListenError, StorageError or DiskError: nothing is left running then.
 */
export async function startNode(settings: NodeSettings = {}, options: StartOptions = {}): Promise<RunningNode> {
  const config = checkSettings(settings);
  refuseSmallRings(config);
  const node = new NodeProcess(config, tlsFilesOf(config), options);
  try {
    await Promise.race([node.start(), node.failedStart]);
    node.isStarted = true;
  } catch (error) {
    await node.abandon();
    throw error;
  }
  return node;
}

/** The largest message must fit the shared memory between shards. @throws ConfigError */
function refuseSmallRings(config: NodeConfig): void {
  const least = minimumMeshBytes(Math.max(1, config.shards), config.maxMessageSize + FRAME_OVERHEAD_BYTES);
  if (config.ringMemory >= least) return;
  throw new ConfigError(
    'bad-setting',
    `Cannot start: --ring-memory is ${config.ringMemory}, but ${config.shards} shards and messages of up to ${config.maxMessageSize} bytes need ${least}`,
  );
}

class NodeProcess implements RunningNode {
  readonly config: NodeConfig;
  port: number | undefined;
  amqpPort: number | undefined;
  amqpsPort: number | undefined;
  managementPort: number | undefined;
  engine: EngineChoice = { engine: 'ws', reason: '' };
  /** Until then the death of a shard is the start's failure. */
  isStarted = false;
  /** Rejects when a shard dies before the node serves. */
  readonly failedStart: Promise<never>;
  private readonly log: NodeLog;
  private failStart: (error: Error) => void = () => undefined;
  private readonly onDeath: (error: Error) => void;
  private readonly startedMs = realClock.nowMs();
  private readonly warnings: string[] = [];
  private readonly pool = new BackgroundPool<CleanJob, CleanResult>({
    worker: new URL('./clean-worker.js', import.meta.url),
    maxThreads: 1,
    idleTimeoutMs: POOL_IDLE_MS,
  });
  private readonly alarms: AlarmWatch;
  private readonly trimmer = new MemoryTrimmer(glibcAllocator(), realTimers);
  private readonly tlsFiles: TlsFiles | undefined;
  private tls: TlsKeeper | undefined;
  private tokenKeys: TokenKeyKeeper | undefined;
  private folder: DataFolder | undefined;
  private metadata: MetadataLog | undefined;
  private shards: ShardGroup | undefined;
  private control: Control | undefined;
  private managementStatistics: Statistics | undefined;
  private backups: Backups | undefined;
  private stopping: Promise<void> | undefined;

  constructor(config: NodeConfig, tlsFiles: TlsFiles | undefined, options: StartOptions) {
    this.config = config;
    this.tlsFiles = tlsFiles;
    this.log = options.log ?? silentLog;
    this.onDeath = options.onDeath ?? endProcess;
    this.alarms = new AlarmWatch(realAlarmSources(config.data), realTimers, config, (active) => this.alarmed(active));
    this.failedStart = new Promise((_, reject) => {
      this.failStart = reject;
    });
  }

  get url(): string | undefined {
    if (this.port === undefined) return undefined;
    const host = this.config.advertisedHost ?? this.config.host;
    const scheme = this.tlsFiles === undefined ? 'ws' : 'wss';
    return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${this.port}/ws`;
  }

  async start(): Promise<void> {
    const { config } = this;
    const disk = new RealDisk();
    await this.readCertificates();
    await this.readTokenKeys();
    this.folder = DataFolder.open(disk, config.data);
    this.metadata = MetadataLog.open(disk, this.folder.metadata);
    refuseStrangers(config, this.metadata.catalog);
    this.folder.removeStrayLogs((logId) => this.metadata?.catalog.topicOfLog(logId) !== undefined);
    this.engine = await chooseEngine(config.wsEngine, this.tlsFiles);
    const ports = await this.freePorts();
    const journals = findJournals(disk, this.folder.path);
    this.shards = new ShardGroup(config.shards === 0 ? inThread : workerThreads, this.setups(this.folder, journals), {
      request: (body) => this.request(body),
      log: (level, message, fields) => this.log[level](fields, message),
      died: (shard, error) => this.died(shard, error),
      plain: plainError,
    });
    await this.recover(journals, disk);
    const { shards, metadata } = this;
    const { defaultPartitions } = config;
    const shape = { defaultPartitions, slots: PARTITIONS_MAX, shards: Math.max(1, config.shards) };
    this.control = new Control(metadata, shards, shape, this.administration());
    await this.makeFirstUser();
    this.port = await this.listen('http', ports.http);
    this.managementPort = await this.listen('management', ports.management);
    this.amqpPort = await this.listen('amqp', ports.amqp);
    this.amqpsPort = await this.listen('amqps', ports.amqps);
    this.tls?.start();
    this.tokenKeys?.start();
    await this.alarms.start();
    this.trimmer.start();
    this.shards.tell({ kind: 'ready', ready: true, reasons: [] });
    this.folder.writeNodeFile({
      nodeId: config.nodeId,
      version: VERSION,
      pid: process.pid,
      host: config.host,
      port: this.port ?? 'off',
      amqpPort: this.amqpPort ?? 'off',
      amqpsPort: this.amqpsPort ?? 'off',
      managementPort: this.managementPort ?? 'off',
      tls: this.tls !== undefined,
      engine: this.engine.engine,
    });
  }

  reloadTls(): void {
    this.tls?.reload();
  }

  stop(reason = 'The node is shutting down'): Promise<void> {
    this.stopping ??= this.shutDown(reason);
    return this.stopping;
  }

  /** Gives everything up after a start that failed. */
  async abandon(): Promise<void> {
    this.tls?.stop();
    this.tokenKeys?.stop();
    try {
      await this.shards?.stop('The node could not start');
    } finally {
      this.metadata?.close();
      this.folder?.close();
    }
  }

  private administration(): Administration {
    const audit = new AuditTrail((line) => this.log.info({ ...line }, auditText(line)), realClock, realTimers);
    return new Administration(new Passwords(realPasswordHasher, new RealRandom()), audit);
  }

  private async makeFirstUser(): Promise<void> {
    const requests = firstUser(this.metadata!.catalog, this.config);
    if (requests.length > 0) await this.control!.administer(requests, NODE_ACTOR);
  }

  private async recover(journals: readonly number[], disk: RealDisk): Promise<void> {
    const recovered = await this.shards!.all('recovered');
    for (const { warnings } of recovered) {
      for (const warning of warnings) this.log.warn({}, warning);
      this.warnings.push(...warnings);
    }
    // Once every log has its own checkpoint, nobody needs what earlier starts have journaled.
    if (recovered.every((message) => message.canRetire)) removeJournals(disk, this.folder!.path, journals);
    const logs = recovered.reduce((sum, message) => sum + message.logs, 0);
    const durationMs = Math.round(Math.max(...recovered.map((message) => message.durationMs)));
    this.log.info({ logs, durationMs }, 'Logs recovered');
  }

  /** @throws TlsError */
  private async readCertificates(): Promise<void> {
    if (this.tlsFiles === undefined) return;
    // Loaded here: a node without TLS need not keep it.
    const { TlsKeeper } = await import('./tls-keeper.js');
    this.tls = new TlsKeeper(
      this.tlsFiles,
      this.log,
      () => realClock.nowMs(),
      (material) => this.shards?.tell({ kind: 'tls', material }),
    );
  }

  /** @throws ConfigError for settings that cannot be used, and files without keys. */
  private async readTokenKeys(): Promise<void> {
    const sources = tokenSourcesOf(this.config);
    if (sources === undefined) return;
    // Loaded here: a node without tokens need not keep it.
    const { TokenKeyKeeper } = await import('./token-keys.js');
    this.tokenKeys = new TokenKeyKeeper(sources, this.log, realTimers, realClock, (keys) =>
      this.shards?.tell({ kind: 'token-keys', keys }),
    );
    await this.tokenKeys.load();
  }

  /** A port for each door that is to open. Ports that were named come first: a door that takes any must not take one of them. */
  private async freePorts(): Promise<Partial<Record<DoorName, number>>> {
    const { host, port, managementPort, amqpPort, amqpsPort } = this.config;
    const wanted: [DoorName, number | 'off'][] = [
      ['http', port],
      ['management', managementPort],
      ['amqp', amqpPort],
      ['amqps', amqpsPort],
    ];
    const ports: Partial<Record<DoorName, number>> = {};
    const isAny = ([, number]: [DoorName, number | 'off']): boolean => number === 0;
    for (const [door, number] of [...wanted.filter((one) => !isAny(one)), ...wanted.filter(isAny)]) {
      if (number !== 'off') ports[door] = await this.freePort(host, number, Object.values(ports));
    }
    return ports;
  }

  /** The port to listen on, which nobody else has. @throws ListenError */
  private async freePort(host: string, wanted: number, taken: readonly number[]): Promise<number> {
    for (;;) {
      const port = await probePort(host, wanted);
      if (!taken.includes(port)) return port;
      if (wanted !== 0) throw new ConfigError('bad-setting', `Cannot start: port ${wanted} is wanted for two doors`);
    }
  }

  /** Opens a door of the shards on a port; a door without one stays closed. */
  private async listen(door: DoorName, port: number | undefined): Promise<number | undefined> {
    if (port === undefined) return undefined;
    const count = Math.max(1, this.config.shards);
    // AMQP sockets are Node's own, as those of the `ws` engine.
    const isHttp = door === 'http' || door === 'management';
    const share = count === 1 || (await canSharePort(isHttp ? this.engine.engine : 'ws'));
    if (!share) {
      this.warnings.push(`This platform cannot share the ${door} port between threads: one shard accepts for all`);
    }
    return await this.shards!.listen(door, port, share ? count : 1);
  }

  private setups(folder: DataFolder, oldJournalIds: readonly number[]): SpawnOptions<ShardSetup>[] {
    const { config } = this;
    const count = Math.max(1, config.shards);
    const budget = planMeshBudget(count, config.ringMemory, config.maxMessageSize + FRAME_OVERHEAD_BYTES);
    const layout = createMeshLayout(budget, PARTITIONS_MAX);
    const doorbells = count === 1 ? undefined : createDoorbellPorts(count);
    const start = folder.nextStart();
    const catalog = this.metadata!.catalog.snapshot();
    const counts = createSharedCounts(COUNTED_NAMES_MAX);
    return Array.from({ length: count }, (_, shard) => {
      const bells = doorbells?.[shard];
      const setup: ShardSetup = {
        shard,
        shards: count,
        config,
        nodeName: this.nodeName,
        version: VERSION,
        engine: this.engine.engine,
        tls: this.tls?.material,
        tokenKeys: this.tokenKeys?.keys ?? [],
        dataPath: folder.path,
        journalId: journalIdOf(start, shard),
        oldJournalIds,
        layout,
        doorbells: bells,
        counts,
        catalog,
      };
      return {
        name: `shard ${shard}`,
        setup,
        transfer: bells?.filter((bell) => bell !== null) ?? [],
        maxYoungGenerationMiB: SHARD_YOUNG_GENERATION_MIB,
      };
    });
  }

  private get nodeName(): string {
    return this.config.nodeName ?? `duolog-${this.config.nodeId}@${hostname()}`;
  }

  private get facts(): NodeFacts {
    const { nodeName, startedMs, warnings, amqpPort } = this;
    const { alarms } = this.alarms;
    return { nodeName, version: VERSION, engine: this.engine.engine, startedMs, warnings, amqpPort, alarms };
  }

  /** Made when somebody asks for the first time. */
  private statistics(catalog: Catalog, shards: ShardGroup): Statistics {
    this.managementStatistics ??= new Statistics({
      catalog,
      collect: () => shards.collect(),
      inspect: (depth) => shards.inspect(depth),
      closeConnection: (id, reason) => shards.tell({ kind: 'close-connection', id, reason }),
      facts: () => managementFacts(this.facts, this.config, this, this.alarms, this.tls?.material),
      setMemoryLimit: (bytes) => this.alarms.setMemoryLimit(bytes),
      timers: realTimers,
      nowMs: () => realClock.nowMs(),
    });
    return this.managementStatistics;
  }

  private async backUp(
    { backup, actor }: ControlRequest & { kind: 'backup' },
    backups: Backups,
  ): Promise<BackupOutcome> {
    const told = (verdict: 'done' | 'refused', reason: string): void => {
      const line = {
        audit: 'change',
        ...actor,
        action: 'backup',
        resource: backup.name,
        vhost: '',
        verdict,
        reason,
      } as const;
      this.log.info(line, auditText(line));
    };
    try {
      const outcome = await backups.make(backup);
      told('done', outcome.folder);
      return outcome;
    } catch (error) {
      told('refused', plainError(error).message);
      throw error;
    }
  }

  private backupsOf(control: Control, catalog: Catalog, shards: ShardGroup): Backups {
    this.backups ??= new Backups({
      disk: new RealDisk(),
      clock: realClock,
      random: new RealRandom(),
      control,
      catalog,
      shards,
      source: this.config.data,
      directory: this.config.backupDir === undefined ? undefined : resolve(this.config.backupDir),
      nodeName: this.nodeName,
      version: VERSION,
    });
    return this.backups;
  }

  private async request(body: ControlRequest): Promise<unknown> {
    const { control, metadata, shards } = this;
    if (control === undefined || metadata === undefined || shards === undefined) {
      throw new BrokerError('internal', 'The node is still starting');
    }
    switch (body.kind) {
      case 'clean':
        return this.pool.run(body.job);
      case 'refresh-token-keys':
        return this.tokenKeys?.refresh() ?? false;
      case 'backup':
        return this.backUp(body, this.backupsOf(control, metadata.catalog, shards));
      case 'management':
        return this.statistics(metadata.catalog, shards).answer(body.question);
      case 'status':
        return nodeStatus(this.facts, metadata.catalog, await shards.collect(), realClock.nowMs());
      case 'metrics':
        return this.metrics(metadata.catalog, await shards.collect());
      default:
        return control.request(body);
    }
  }

  private async metrics(catalog: Catalog, reports: readonly ShardReport[]): Promise<string> {
    const facts = await managementFacts(this.facts, this.config, this, this.alarms, this.tls?.material);
    const more = rabbitMqFamilies(facts, catalog, reports, this.control?.counts ?? NO_COUNTS);
    return nodeMetrics(this.facts, catalog, reports, realClock.nowMs(), more);
  }

  private alarmed(active: readonly string[]): void {
    const text =
      active.length === 0 ? 'Publishers are served again' : `Publishers are held back: low on ${active.join(' and ')}`;
    this.log.warn({ alarms: active }, text);
    this.shards?.tell({ kind: 'alarms', active });
  }

  private died(shard: number, error: Error): void {
    this.log.fatal({ shard, error: error.stack ?? error.message }, `Shard ${shard} died: the node stops`);
    const death = new Error(`Shard ${shard} died: ${error.message}`, { cause: error });
    if (this.isStarted) this.onDeath(death);
    else this.failStart(death);
  }

  private async shutDown(reason: string): Promise<void> {
    this.log.info({}, `Stopping: ${reason}`);
    const { stopTimeout } = this.config;
    const isInTime = await endsWithin(realTimers, this.stopInOrder(reason), stopTimeout * 1000);
    if (!isInTime) throw this.giveUp(stopTimeout);
    this.log.info({}, 'Stopped; everything is on disk');
  }

  private async stopInOrder(reason: string): Promise<void> {
    this.tls?.stop();
    this.tokenKeys?.stop();
    this.trimmer.stop();
    this.managementStatistics?.stop();
    this.alarms.stop();
    await this.backups?.stop();
    await this.shards?.stop(reason);
    await this.pool.close();
    this.metadata?.close();
    this.folder?.close();
  }

  /** What is confirmed is in files, and what is confirmed at disk is synced: the next start recovers it, as after any crash. */
  private giveUp(afterSeconds: number): StopError {
    const shards = this.shards?.waitsFor ?? [];
    const waitsFor = shards.length > 0 ? shards : ['work in the background'];
    const text = `Cannot stop in good order within ${afterSeconds} s: still waiting for ${waitsFor.join(', ')}`;
    this.log.error({ waitsFor }, `${text}. Ending at once; nothing that was confirmed is lost`);
    const error = new StopError('stop-timeout', text);
    this.onDeath(error);
    return error;
  }
}

function plainError(error: unknown): PlainError {
  if (error instanceof BrokerError) return { code: error.code, message: error.message };
  if (error instanceof MetadataLogError && error.code === 'no-space')
    return { code: 'no-space', message: error.message };
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) };
}

/** A half-node must not go on: whoever supervises the process starts it anew. */
function endProcess(error: Error): void {
  process.stderr.write(`duolog: ${error.message}\n`);
  // Not process.exit(): that aborts while a worker holds the listener's native handles. SIGKILL ends all threads at once, and loses nothing that
  // was confirmed.
  process.kill(process.pid, 'SIGKILL');
}
