/** One seed: a node that lives and dies several times on one simulated disk, and is held to its promises after each death. */
import { Prng } from '../../../src/base/prng.js';
import { DurabilityLevel } from '../../../src/broker/ports.js';
import { DiskError } from '../../../src/io/disk/disk-error.js';
import { SimulatedDisk } from '../../../src/io/disk/simulated-disk.js';
import type { Disk } from '../../../src/io/ports.js';
import { MetadataLogError } from '../../../src/node/metadata-log.js';
import { StorageError } from '../../../src/storage/errors.js';
import type { StorageLimits } from '../../../src/storage/limits.js';
import { DEFECT_LIMITS, type Defect, withDefect } from './defects.js';
import type { SeenRecord } from './log-promises.js';
import { PowerSwitch, type SuddenEnd } from './power-switch.js';
import { IdempotentPublisher } from './publishers.js';
import type { RecoveredCursor } from './queue-promises.js';
import { readLog } from './read-log.js';
import { DiedError, SimulatedNode } from './simulated-node.js';
import type { TrackedLog } from './tracked-log.js';
import { promised, Violation } from './violation.js';
import { trackLogs, type WorkCounts, Workload, type World } from './workload.js';

const KIB = 1024;
const PLENTY_BYTES = 2 ** 40;
const NOTES_KEPT = 120;

type End = SuddenEnd | 'close';
type Trouble = 'none' | 'full-disk' | 'failing-syncs';

/** What a run has met, for the report. */
export interface RunCounts extends WorkCounts {
  lives: number;
  powerCuts: number;
  kills: number;
  closes: number;
  deathsInRecovery: number;
  fullDisks: number;
  failedSyncs: number;
}

/** All zero. */
export function noCounts(): RunCounts {
  return {
    lives: 0,
    powerCuts: 0,
    kills: 0,
    closes: 0,
    deathsInRecovery: 0,
    fullDisks: 0,
    failedSyncs: 0,
    published: 0,
    confirmedInMemory: 0,
    confirmedOnDisk: 0,
    refused: 0,
    resentBatches: 0,
    deliveries: 0,
    needlessFlags: 0,
    settled: 0,
    settledConfirmed: 0,
    offsetCommits: 0,
    declarations: 0,
  };
}

/** See the top of this file. */
export class PowerRun {
  readonly counts = noCounts();
  /** What was done last, the oldest first. */
  readonly notes: string[] = [];
  private readonly prng: Prng;
  private readonly defect: Defect | undefined;
  private readonly simulated: SimulatedDisk;
  private readonly disk: Disk;
  private readonly power: PowerSwitch;
  private readonly world: World;
  private readonly limits: Partial<StorageLimits>;
  private held: (() => void)[] = [];
  private isHolding = false;
  private nowMs = 1_700_000_000_000;
  private node!: SimulatedNode;

  constructor(seed: number, defect?: Defect) {
    this.prng = new Prng(seed);
    this.defect = defect;
    this.simulated = new SimulatedDisk({
      directories: ['/data'],
      scheduler: (complete) => {
        if (this.isHolding) this.held.push(complete);
        else queueMicrotask(complete);
      },
    });
    this.disk = withDefect(this.simulated, defect);
    this.power = new PowerSwitch(this.simulated, this.prng.fork());
    this.limits = { ...randomLimits(this.prng), ...(defect === undefined ? {} : DEFECT_LIMITS[defect]) };
    this.world = {
      prng: this.prng.fork(),
      topics: [],
      counts: this.counts,
      isBulky: this.prng.chance(0.15),
      nextTopic: 0,
      nextConsumer: 1,
      note: (text) => this.note(text),
    };
  }

  /** @throws Violation */
  async run(): Promise<void> {
    await this.start();
    const lives = this.prng.between(3, 6);
    for (let life = 0; life < lives; life++) {
      const end = await this.live(life === 0);
      await this.restart(end);
    }
    await this.drain();
    await this.restart(await this.close());
  }

  private get isDead(): () => boolean {
    const { node } = this;
    return () => this.power.isOff || this.node !== node;
  }

  private note(text: string): void {
    this.notes.push(text);
    if (this.notes.length > NOTES_KEPT) this.notes.shift();
  }

  private async start(): Promise<void> {
    this.held = [];
    this.isHolding = false;
    this.nowMs += 1000;
    const { disk, limits, nowMs: startMs, defect } = this;
    this.node = await SimulatedNode.start({ disk, limits, startMs, isDead: () => this.power.isOff, defect });
  }

  /** Works until something ends it. */
  private async live(isFirst: boolean): Promise<End> {
    const { prng, power } = this;
    this.counts.lives++;
    const workload = new Workload(this.world, this.node, this.isDead);
    const end = prng.pick<End>(['power', 'power', 'power', 'kill', 'close']);
    const trouble = isFirst ? 'none' : this.chooseTrouble();
    try {
      if (isFirst) await this.declareFirst(workload);
      await this.addPublishers(workload);
      const isArmed = end !== 'close' && prng.chance(0.7);
      if (isArmed) power.arm(end, prng.between(1, 250));
      await this.work(workload, trouble);
      if (power.isOff) return this.died();
      if (end === 'close' && trouble !== 'failing-syncs') return await this.close();
      power.cut(end === 'close' ? 'power' : end);
      return this.died();
    } catch (cause) {
      if (!power.isOff) throw cause;
      return this.died();
    }
  }

  private died(): SuddenEnd {
    const { lastEnd } = this.power;
    this.note(`-- ${lastEnd}`);
    if (lastEnd === 'power') this.counts.powerCuts++;
    else this.counts.kills++;
    return lastEnd;
  }

  private async declareFirst(workload: Workload): Promise<void> {
    for (let count = this.prng.between(1, 4); count > 0; count--) workload.declareSomething();
    await this.node.clock.settle();
  }

  private async addPublishers(workload: Workload): Promise<void> {
    for (const log of workload.liveLogs()) {
      if (log.idempotent.length >= 2 || !this.prng.chance(0.5)) continue;
      const { producerId } = await this.node.settle(this.node.control.initProducer(0));
      log.idempotent.push(new IdempotentPublisher(`i${producerId}`, log.entry.logId, producerId));
    }
    workload.resend();
  }

  private chooseTrouble(): Trouble {
    if (this.prng.chance(0.12)) return 'full-disk';
    return this.prng.chance(0.1) ? 'failing-syncs' : 'none';
  }

  private async work(workload: Workload, trouble: Trouble): Promise<void> {
    const { prng, node, power } = this;
    this.isHolding = prng.chance(0.8);
    const turns = prng.between(3, 60);
    const troubleAt = prng.below(turns);
    for (let turn = 0; turn < turns && !power.isOff && node.fatal === undefined; turn++) {
      if (turn === troubleAt) this.makeTrouble(trouble);
      for (let steps = prng.between(1, 3); steps > 0 && !power.isOff; steps--) workload.step();
      await this.turn();
      if (power.isOff) return;
      workload.observe();
    }
    if (trouble === 'full-disk' && !power.isOff) await this.freeSpace(workload);
    if (node.fatal !== undefined) power.cut('power');
  }

  /** Lets some of what the disk holds back happen, and time pass. */
  private async turn(): Promise<void> {
    const { prng, held, node } = this;
    for (let count = prng.below(4); count > 0 && held.length > 0; count--) {
      held.splice(prng.below(held.length), 1)[0]?.();
    }
    if (prng.chance(0.15)) this.releaseHeld();
    if (prng.chance(0.8)) await node.clock.settle();
    else node.clock.runImmediates();
    if (prng.chance(0.08)) await node.clock.advanceAsync(prng.between(1, 1500));
  }

  private releaseHeld(): void {
    for (const complete of this.held.splice(0)) complete();
  }

  private makeTrouble(trouble: Trouble): void {
    if (trouble === 'none') return;
    this.note(`trouble: ${trouble}`);
    if (trouble === 'full-disk') {
      this.counts.fullDisks++;
      const used = this.simulated.totalBytes('/data') - this.simulated.freeBytes('/data');
      this.simulated.setCapacity(used + this.prng.below(20 * KIB));
    } else {
      this.counts.failedSyncs++;
      const path = this.prng.pick([/\.log$/, /\.journal$/, /\/data\/logs\/\d+/, /\/data\/(logs|journals)/]);
      const nth = this.prng.between(1, 12);
      this.simulated.inject({
        operation: 'sync',
        path,
        nth,
        times: Number.POSITIVE_INFINITY,
        effect: { errno: 'EIO' },
      });
    }
  }

  /** The disk has room again: everything serves, without a new start. */
  private async freeSpace(workload: Workload): Promise<void> {
    this.note('the disk has room again');
    this.simulated.setCapacity(PLENTY_BYTES);
    this.isHolding = false;
    this.releaseHeld();
    await this.node.clock.advanceAsync(3000);
    if (this.power.isOff) return;
    for (const log of workload.liveLogs()) {
      const offline = this.node.storage.log(log.entry.logId)?.offline;
      promised(
        offline === undefined,
        'node-failed',
        () => `${log.label} is offline after a full disk: ${offline?.message}`,
      );
    }
    const before = this.counts.confirmedOnDisk;
    workload.resend();
    workload.publishToAll(DurabilityLevel.disk);
    await this.node.clock.advanceAsync(2000);
    if (this.power.isOff || workload.liveLogs().length === 0) return;
    promised(
      this.counts.confirmedOnDisk > before,
      'node-failed',
      () => 'nothing is confirmed although the disk has room again',
    );
  }

  private async close(): Promise<End> {
    this.note('-- close');
    this.isHolding = false;
    this.releaseHeld();
    await this.node.close();
    this.power.cut('kill');
    this.counts.closes++;
    for (const { logs } of this.world.topics) {
      for (const log of logs) {
        log.messages.keepAll();
        log.queue?.keepAll();
      }
    }
    return 'close';
  }

  /** Starts again, perhaps at the second or third try, and checks what is left. */
  private async restart(firstEnd: End): Promise<void> {
    let end = firstEnd;
    this.simulated.clearFaults();
    this.simulated.setCapacity(PLENTY_BYTES);
    for (const { logs } of this.world.topics)
      for (const log of logs) for (const one of log.idempotent) one.disconnect();
    for (let attempt = 0; ; attempt++) {
      // What the dead process has still under way runs against a disk that is off; from then on it waits for ever.
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.power.on();
      if (attempt < 3 && this.prng.chance(0.25))
        this.power.arm(this.prng.pick(['power', 'kill']), this.prng.between(1, 60));
      try {
        await this.start();
        this.power.on();
        break;
      } catch (cause) {
        if (!this.power.isOff || !isEndOf(cause)) throw cause;
        this.note(`-- ${this.power.lastEnd} during the start`);
        this.counts.deathsInRecovery++;
        if (end !== 'power') end = end === 'close' ? 'close' : this.power.lastEnd;
      }
    }
    this.check(end);
  }

  private check(end: End): void {
    const { node } = this;
    this.note(`started after ${end}; warnings: ${node.warnings.join('; ')}`);
    for (const topic of this.world.topics) {
      const entry = node.catalog.topic(topic.name);
      const mustBe = topic.isConfirmed && !topic.isDeleting;
      promised(entry !== undefined || !mustBe, 'declaration', () => `${topic.name} was declared and is gone`);
      promised(entry === undefined || !topic.isDeleted, 'declaration', () => `${topic.name} was deleted and is back`);
      topic.isAttaching = false;
      if (entry === undefined || topic.isDeleting) continue;
      trackLogs(topic, entry);
      topic.isConfirmed = true;
      for (const log of topic.logs) this.checkLog(log, end);
    }
    promised(node.warnings.length === 0, 'falsely-damaged', () => node.warnings.join('; '));
  }

  private read(log: TrackedLog): SeenRecord[] {
    try {
      return readLog(this.node, log.entry.logId, log.entry.slot);
    } catch (cause) {
      if (!(cause instanceof StorageError)) throw cause;
      throw new Violation('falsely-damaged', `${log.label}: ${cause.message}`);
    }
  }

  private checkLog(log: TrackedLog, end: End): void {
    const { node } = this;
    const { logId, slot } = log.entry;
    const partition = node.broker.owner.get(logId);
    const stored = node.storage.log(logId);
    promised(partition !== undefined && stored !== undefined, 'node-failed', () => `${log.label} is not open`);
    if (partition === undefined || stored === undefined) return;
    const records = this.read(log);
    log.messages.check(records, end === 'power', (value) => log.queue?.mayBeGone(value) ?? false);
    // Every message whose offset is given again would be found as that, before it is found what that does to a queue.
    if (this.defect === 'acks-first') log.messages.forgetFrom(stored.logEnd);
    promised(
      stored.recordCount === records.length,
      'message-count',
      () => `${log.label} counts ${stored.recordCount} records and holds ${records.length}`,
    );
    const failure = stored.offline ?? stored.corruption;
    promised(failure === undefined, 'falsely-damaged', () => `${log.label}: ${failure?.message}`);
    log.readUpTo = node.bounds.read(slot).end;
    const { companion, cursor } = partition;
    log.offsets.check(end, records.at(-1)?.offset ?? -1, (group) => companion.fetchOffset(group)?.offset ?? -1);
    if (log.queue === undefined) return;
    promised(cursor !== undefined, 'declaration', () => `${log.label} has lost its cursor`);
    if (cursor === undefined) return;
    const recovered: RecoveredCursor = {
      messages: cursor.ready + cursor.unacknowledged,
      isAcknowledged: (offset) => cursor.isAcknowledged(offset),
      deliveryCount: (offset) => cursor.deliveryCount(offset),
    };
    log.queue.check(records, recovered, end, stored.logEnd);
  }

  /** Everything that was never settled comes out of the queues in the end. */
  private async drain(): Promise<void> {
    this.note('-- drain');
    const workload = new Workload(this.world, this.node, this.isDead);
    workload.resend();
    await this.node.clock.advanceAsync(2000);
    workload.drainQueues();
    for (let round = 0; round < 8; round++) await this.node.clock.advanceAsync(50);
    workload.observe();
    for (const log of workload.liveLogs()) this.checkDrained(log);
    for (const log of workload.liveLogs()) {
      for (const { name, unconfirmed } of log.idempotent) {
        promised(unconfirmed.length === 0, 'node-failed', () => `${name} cannot get its batches confirmed`);
      }
    }
  }

  private checkDrained(log: TrackedLog): void {
    if (log.queue === undefined) return;
    const records = this.read(log);
    const missing = log.queue.expected(records)[0];
    promised(
      missing === undefined,
      'acknowledgement-swallowed',
      () => `offset ${missing?.offset} of ${log.label} was never settled and is not delivered`,
    );
  }
}

/** Whether an error is how the dead process saw its end. */
function isEndOf(cause: unknown): boolean {
  return (
    cause instanceof DiedError ||
    cause instanceof DiskError ||
    cause instanceof StorageError ||
    cause instanceof MetadataLogError ||
    (cause instanceof Error && cause.cause instanceof DiskError)
  );
}

function randomLimits(prng: Prng): Partial<StorageLimits> {
  return {
    journalAreaBytes: prng.pick([32, 48, 64, 256]) * KIB,
    changeMaxBytes: 8 * KIB,
    journalCopyMaxBytes: prng.pick([1, 4, 16]) * KIB,
    smallCopyMaxBytes: prng.pick([0, 1, 16]) * KIB,
    leaseOffsets: prng.pick([8, 64, 1024]),
    directSyncSegments: prng.between(0, 4),
    openFiles: prng.pick([2, 8, 64]),
    unsyncedSegments: prng.pick([1, 4, 16]),
    parallelSyncs: prng.between(1, 4),
    idleCommitMs: prng.pick([50, 1000]),
    durableNoteMs: prng.pick([0, 100]),
    turnBufferBytes: prng.pick([1, 4, 64]) * KIB,
  };
}
