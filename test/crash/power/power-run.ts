/** One seed: a node that lives and dies several times on one simulated disk, and is held to its promises after each death. */
import { Prng } from '../../../src/base/prng.js';
import { DurabilityLevel } from '../../../src/broker/ports.js';
import { StorageError } from '../../../src/storage/errors.js';
import { DEFECT_LIMITS, type Defect, withDefect, withDefectiveRecovery } from './defects.js';
import type { SeenRecord } from './log-promises.js';
import { type End, type LifeCounts, Machine, PLENTY_BYTES } from './machine.js';
import { IdempotentPublisher } from './publishers.js';
import type { RecoveredCursor } from './queue-promises.js';
import { readLog } from './read-log.js';
import type { SimulatedNode } from './simulated-node.js';
import type { TrackedLog } from './tracked-log.js';
import { promised, Violation } from './violation.js';
import { trackLogs, type WorkCounts, Workload, type World } from './workload.js';

const KIB = 1024;

type Trouble = 'none' | 'full-disk' | 'failing-syncs';

/** What a run has met, for the report. */
export interface RunCounts extends WorkCounts, LifeCounts {
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
  private readonly prng: Prng;
  private readonly defect: Defect | undefined;
  private readonly machine: Machine;
  private readonly world: World;

  constructor(seed: number, defect?: Defect) {
    this.prng = new Prng(seed);
    this.defect = defect;
    this.machine = new Machine({
      prng: this.prng,
      counts: this.counts,
      disk: (disk) => withDefect(disk, defect),
      sabotage: { storage: (storage) => withDefectiveRecovery(storage, defect) },
      ...(defect !== undefined && { limits: DEFECT_LIMITS[defect] }),
    });
    this.world = {
      prng: this.prng.fork(),
      topics: [],
      counts: this.counts,
      isBulky: this.prng.chance(0.15),
      nextTopic: 0,
      nextConsumer: 1,
      note: (text) => this.machine.note(text),
    };
  }

  /** What was done last, the oldest first. */
  get notes(): readonly string[] {
    return this.machine.notes;
  }

  private get node(): SimulatedNode {
    return this.machine.node;
  }

  /** @throws Violation */
  async run(): Promise<void> {
    await this.machine.start();
    const lives = this.prng.between(3, 6);
    for (let life = 0; life < lives; life++) {
      const end = await this.live(life === 0);
      await this.restart(end);
    }
    await this.drain();
    await this.restart(await this.close());
  }

  /** Works until something ends it. */
  private async live(isFirst: boolean): Promise<End> {
    const { prng, machine } = this;
    const { power } = machine;
    this.counts.lives++;
    const workload = new Workload(this.world, this.node, machine.isDead);
    const end = prng.pick<End>(['power', 'power', 'power', 'kill', 'close']);
    const trouble = isFirst ? 'none' : this.chooseTrouble();
    try {
      if (isFirst) await this.declareFirst(workload);
      await this.addPublishers(workload);
      const isArmed = end !== 'close' && prng.chance(0.7);
      if (isArmed) power.arm(end, prng.between(1, 250));
      await this.work(workload, trouble);
      if (power.isOff) return machine.died();
      if (end === 'close' && trouble !== 'failing-syncs') return await this.close();
      power.cut(end === 'close' ? 'power' : end);
      return machine.died();
    } catch (cause) {
      if (!power.isOff) throw cause;
      return machine.died();
    }
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
    const { prng, node, machine } = this;
    const { power } = machine;
    machine.isHolding = prng.chance(0.8);
    const turns = prng.between(3, 60);
    const troubleAt = prng.below(turns);
    for (let turn = 0; turn < turns && !power.isOff && node.fatal === undefined; turn++) {
      if (turn === troubleAt) this.makeTrouble(trouble);
      for (let steps = prng.between(1, 3); steps > 0 && !power.isOff; steps--) workload.step();
      await machine.turn();
      if (power.isOff) return;
      workload.observe();
    }
    if (trouble === 'full-disk' && !power.isOff) await this.freeSpace(workload);
    if (node.fatal !== undefined) power.cut('power');
  }

  private makeTrouble(trouble: Trouble): void {
    if (trouble === 'none') return;
    const { simulated } = this.machine;
    this.machine.note(`trouble: ${trouble}`);
    if (trouble === 'full-disk') {
      this.counts.fullDisks++;
      const used = simulated.totalBytes('/data') - simulated.freeBytes('/data');
      simulated.setCapacity(used + this.prng.below(20 * KIB));
    } else {
      this.counts.failedSyncs++;
      const path = this.prng.pick([/\.log$/, /\.journal$/, /\/data\/logs\/\d+/, /\/data\/(logs|journals)/]);
      const nth = this.prng.between(1, 12);
      simulated.inject({
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
    const { machine } = this;
    machine.note('the disk has room again');
    machine.simulated.setCapacity(PLENTY_BYTES);
    machine.stopHolding();
    await this.node.clock.advanceAsync(3000);
    if (machine.power.isOff) return;
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
    if (machine.power.isOff || workload.liveLogs().length === 0) return;
    promised(
      this.counts.confirmedOnDisk > before,
      'node-failed',
      () => 'nothing is confirmed although the disk has room again',
    );
  }

  private async close(): Promise<End> {
    const end = await this.machine.close();
    for (const { logs } of this.world.topics) {
      for (const log of logs) {
        log.messages.keepAll();
        log.queue?.keepAll();
      }
    }
    return end;
  }

  /** Starts again, and checks what is left. */
  private async restart(end: End): Promise<void> {
    for (const { logs } of this.world.topics)
      for (const log of logs) for (const one of log.idempotent) one.disconnect();
    this.check(await this.machine.startAgain(end));
  }

  private check(end: End): void {
    const { node } = this;
    this.machine.note(`started after ${end}; warnings: ${node.warnings.join('; ')}`);
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
    this.machine.note('-- drain');
    const workload = new Workload(this.world, this.node, this.machine.isDead);
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
