/**
 * One seed: AMQP clients of a node of one to four shards on one simulated disk, which loses its power, is killed and stopped several times, and is held
 * to what it has promised them.
 */
import { Prng } from '../../../src/base/prng.js';
import { type LoadCounts, noLoadCounts } from '../amqp/counts.js';
import { Ledger } from '../amqp/ledger.js';
import { Load } from '../amqp/load.js';
import { declareAll } from '../amqp/topology.js';
import { type End, type LifeCounts, Machine } from '../power/machine.js';
import { promised, Violation } from '../power/violation.js';
import type { AmqpDefect } from './defects.js';
import { SimulatedSite } from './simulated-site.js';

/** Longer than the longest delay, so that everything has come. */
const DRAIN_QUIET_MS = 3500;
/** By then everything that was under way is over, on a disk that does its work. */
const QUIET_MS = 3000;
/** A drain that takes longer in simulated time has come to a standstill. */
const PATIENCE_MS = 60_000;
const MOST_SHARDS = 4;

/** What a run has met, for the report. */
export interface AmqpPowerCounts extends LifeCounts {
  quietEnds: number;
  drains: number;
}

/** All zero. */
export function noAmqpPowerCounts(): AmqpPowerCounts {
  return { lives: 0, powerCuts: 0, kills: 0, closes: 0, deathsInRecovery: 0, quietEnds: 0, drains: 0 };
}

/** See the top of this file. */
export class AmqpPowerRun {
  readonly counts = noAmqpPowerCounts();
  readonly load: LoadCounts = noLoadCounts();
  private readonly prng: Prng;
  private readonly machine: Machine;
  // Nothing tells how long a disk that holds things back takes for an acknowledgement: those of quiet times count.
  private readonly ledger = new Ledger(this.load, Number.POSITIVE_INFINITY);
  private readonly defect: AmqpDefect | undefined;

  constructor(seed: number, defect?: AmqpDefect) {
    this.prng = new Prng(seed);
    this.defect = defect;
    const shards = this.prng.fork();
    this.machine = new Machine({
      prng: this.prng,
      counts: this.counts,
      shards: () => shards.between(1, MOST_SHARDS),
      ...(defect?.disk !== undefined && { disk: defect.disk }),
      ...(defect?.sabotage !== undefined && { sabotage: defect.sabotage }),
    });
  }

  /** What was done last, the oldest first. */
  get notes(): readonly string[] {
    return this.machine.notes;
  }

  /** @throws Violation */
  async run(): Promise<void> {
    const { machine } = this;
    await machine.start();
    await this.declare();
    const lives = this.prng.between(3, 5);
    for (let life = 0; life < lives; life++) {
      if (life > 0 && this.prng.chance(0.4)) await this.drain();
      const end = await this.live(life);
      await this.restart(end);
    }
    await this.drain();
    await this.restart(await machine.close());
    // Nothing is left, and nothing comes back.
    await this.drain();
  }

  private site(): SimulatedSite {
    const { machine, prng, defect } = this;
    return new SimulatedSite({
      node: machine.node,
      prng: prng.fork(),
      isDead: machine.isDead,
      tamper: defect?.tamper,
    });
  }

  private async declare(): Promise<void> {
    const client = await this.within(this.site().connect());
    await this.within(client.channel().then((channel) => declareAll(channel)));
    await this.within(client.close());
  }

  /** Works until something ends it. */
  private async live(life: number): Promise<End> {
    const { prng, machine } = this;
    const { power } = machine;
    this.counts.lives++;
    const end = prng.pick<End>(['power', 'power', 'power', 'kill', 'close']);
    const site = this.site();
    const load = new Load(site, prng.fork(), this.ledger, this.load, `m${life}`);
    machine.note(`life ${life} with ${machine.node.shards.length} shards, to end by ${end}`);
    if (end !== 'close' && prng.chance(0.7)) power.arm(end, prng.between(1, 600));
    try {
      await this.work(load, site);
      const isQuiet = end === 'close' || prng.chance(0.3);
      if (isQuiet && !power.isOff) await this.quieten(load);
      if (end === 'close' && !power.isOff) {
        load.leave();
        return await machine.close(() => site.closeDoors());
      }
      if (!power.isOff) power.cut(end === 'close' ? 'power' : end);
    } catch (cause) {
      // How the dead process saw its end is nothing to anybody.
      if (!power.isOff || cause instanceof Violation) throw cause;
    } finally {
      site.hangUp();
      load.end();
      this.ledger.died(machine.node.clock.nowMs());
    }
    this.check(load);
    return machine.died();
  }

  private async work(load: Load, site: SimulatedSite): Promise<void> {
    const { prng, machine } = this;
    machine.isHolding = prng.chance(0.8);
    load
      .begin()
      .catch((error: unknown) => load.guard(() => promised(false, 'node-failed', () => `No begin: ${error}`)));
    for (let turns = prng.between(5, 80); turns > 0 && !machine.power.isOff; turns--) {
      site.turn();
      await machine.turn();
      this.check(load);
    }
  }

  /** Lets everything that is under way come to its end, on a disk that does what it is asked. */
  private async quieten(load: Load): Promise<void> {
    const { machine } = this;
    machine.note('-- quiet');
    load.quieten();
    machine.stopHolding();
    await machine.node.clock.advanceAsync(QUIET_MS);
    if (machine.power.isOff) return;
    this.check(load);
    load.checkQuiet();
    this.counts.quietEnds++;
  }

  private check(load: Load): void {
    if (load.violation !== undefined) throw load.violation;
    const { fatal } = this.machine.node;
    promised(fatal === undefined || this.machine.power.isOff, 'node-failed', () => String(fatal));
  }

  private async restart(end: End): Promise<void> {
    const { machine } = this;
    const worst = await machine.startAgain(end);
    const { warnings, shards } = machine.node;
    machine.note(`started after ${worst} with ${shards.length} shards; warnings: ${warnings.join('; ')}`);
    this.checkWarnings();
  }

  private checkWarnings(): void {
    const { warnings } = this.machine.node;
    const isFine = warnings.length === 0 || this.defect?.ignoresWarnings === true;
    promised(isFine, 'falsely-damaged', () => warnings.join('; '));
  }

  /** Whatever was confirmed is there, in its order and on time. */
  private async drain(): Promise<void> {
    this.machine.note('-- drain');
    this.counts.drains++;
    const load = new Load(this.site(), this.prng.fork(), this.ledger, this.load, `d${this.counts.drains}`);
    await this.within(load.drain(DRAIN_QUIET_MS));
    this.checkWarnings();
  }

  /** Lets time pass until a promise settles. */
  private async within<T>(promise: Promise<T>): Promise<T> {
    const { clock } = this.machine.node;
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await clock.settle();
    for (const endMs = clock.nowMs() + PATIENCE_MS; !isSettled && clock.nowMs() < endMs; ) await clock.advanceAsync(5);
    promised(isSettled, 'node-failed', () => 'What is waited for does not happen');
    return promise;
  }
}
