/** Directs one run: a node, a good client beside it, and one campaign after the other; measures, and judges. */
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FuzzOptions } from '../arguments.js';
import { Ledger } from '../ledger.js';
import {
  CALM_SLICES,
  CAMPAIGN_MS,
  GONE_MS,
  LATENCY_FLOOR_MS,
  MAX_LATENCY_RATIO,
  MAX_OTHERS_SHARE,
  MAX_RSS_BYTES,
  MAX_TRIES,
  SLICE_MS,
} from '../limits.js';
import { NodeProcess } from '../node-process.js';
import { type Campaign, pause } from './assault.js';
import { campaignsNamed } from './campaigns.js';
import { AmqpClient } from './client.js';
import { GOOD_QUEUE } from './good-client.js';
import { GoodProcess, type Phase, phaseOf } from './good-process.js';
import { CpuMeter, forgetPeak, peakBytes, prefer, residentBytes } from './meter.js';
import { type AttackReport, Companion, type NodeUnderAttack, type Times } from './roles.js';
import { SOUND_EXCHANGE, SOUND_QUEUE } from './steps.js';

const MIB = 1024 * 1024;
/** A run of fewer frames is a quick check: all campaigns at once, everything once, and nobody's times are judged. */
const BRIEF_FRAMES = 100_000;
/** Connections of the good client. */
const GOOD_CONNECTIONS = 2;

/** What a campaign has done to the node and to the good client. */
interface Outcome {
  readonly calm: Phase;
  readonly attacked: Phase;
  readonly ratio: number;
  /** What processes of others had of the machine, alone or attacked, whichever was more; from 0 to 1. */
  readonly others: number;
}

const mib = (bytes: number): string => `${(bytes / MIB).toFixed(0)}`;

/** See the top of this file. */
export class Director {
  private readonly options: FuzzOptions;
  private readonly ledger = new Ledger();
  private readonly folder: string;
  private readonly campaigns: readonly Campaign[];
  private node!: NodeProcess;
  private target!: NodeUnderAttack;
  private good!: GoodProcess;
  private attacker!: Companion<AttackReport>;
  private readonly reports = new Map<string, (report: AttackReport | undefined) => void>();
  private peakRss = 0;
  private frames = 0;
  /** Campaigns whose times were good while nobody else used the machine, and those whose times were not because somebody did. */
  private undisturbed = 0;
  private readonly disturbed: string[] = [];
  private connections = 0;

  constructor(options: FuzzOptions) {
    this.options = options;
    const { job, campaigns } = options;
    this.campaigns = campaignsNamed(job === undefined ? campaigns : ['random']);
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), 'duolog-fuzz-'));
  }

  private get isBrief(): boolean {
    return this.options.frames < BRIEF_FRAMES;
  }

  /** Runs everything. Returns whether no rule was broken. */
  async run(): Promise<boolean> {
    const { seed, shards, frames } = this.options;
    console.log(`Fuzzing the AMQP door: ${this.campaigns.length} campaigns, ${frames} random frames, seed ${seed}`);
    this.node = await NodeProcess.start(this.settings);
    const { port, amqpPort, child } = this.node;
    this.target = { port, amqpPort, pid: child.pid ?? 0 };
    console.log(`Node: engine ${this.node.engine}, ${shards} shards, ${mib(this.node.rssBytes())} MiB at start`);
    await this.declare();
    await this.startCompanions();
    if (this.isBrief) await this.allAtOnce();
    else for (const campaign of this.campaigns) await this.oneByOne(campaign);
    await this.finish();
    this.verdict();
    if (this.options.folder === undefined) rmSync(this.folder, { recursive: true, force: true });
    return this.ledger.violations.length === 0;
  }

  private get settings(): Record<string, unknown> {
    const { shards, engine } = this.options;
    return { data: this.folder, shards, amqpPort: 0, ...(engine === undefined ? {} : { wsEngine: engine }) };
  }

  private violation(text: string): void {
    this.ledger.violation(undefined, text);
  }

  private async declare(): Promise<void> {
    const client = await AmqpClient.open(this.node);
    const channel = await client.channel();
    // What nobody takes must not fill the disk.
    await channel.call('queue.declare', { queue: SOUND_QUEUE, durable: true, arguments: { 'x-max-length': 500 } });
    await channel.call('exchange.declare', { exchange: SOUND_EXCHANGE, type: 'topic', durable: true });
    await channel.call('queue.bind', { queue: SOUND_QUEUE, exchange: SOUND_EXCHANGE, routingKey: 'a.#' });
    await client.close();
  }

  private async startCompanions(): Promise<void> {
    this.good = new GoodProcess(this.target);
    this.good.onViolation = (text) => this.violation(text);
    this.attacker = new Companion('attacker', this.target);
    this.attacker.onReport = (report) => this.reports.get(report.campaign)?.(report);
    this.attacker.onLost = (code) => {
      this.violation(`The attacker ended with ${code}`);
      for (const resolve of this.reports.values()) resolve(undefined);
    };
    await this.good.ready();
    if (this.isBrief) return;
    for (const pid of [this.target.pid, this.good.pid]) prefer(pid, constants.priority.PRIORITY_HIGHEST);
  }

  // ---- Campaigns ----

  private async attack({ name }: Campaign): Promise<void> {
    const { seed, frames, rate, job } = this.options;
    const reported = new Promise<AttackReport | undefined>((resolve) => this.reports.set(name, resolve));
    const lastMs = this.isBrief ? 0 : CAMPAIGN_MS;
    this.attacker.send({ campaign: name, seed, isBrief: this.isBrief, frames, rate, job, lastMs });
    const report = await reported;
    if (report === undefined) return;
    // Told when they were seen; here they are counted.
    this.ledger.violations.push(...report.violations);
    this.frames += report.frames;
    this.connections += report.connections;
    console.log(report.table);
    for (const fact of report.facts) console.log(`  ${name}: ${fact}`);
  }

  /** All campaigns side by side. */
  private async allAtOnce(): Promise<void> {
    await Promise.all(this.campaigns.map((campaign) => this.attack(campaign)));
    this.peakRss = peakBytes(this.target.pid);
    await this.seeGone();
  }

  /** One campaign alone, with the good client's times before and meanwhile; again when they were too slow, or others had too much of the machine. */
  private async oneByOne(campaign: Campaign): Promise<void> {
    if (!this.node.isAlive) return;
    console.log(`\n${campaign.name}: ${campaign.about}`);
    let slowest = 0;
    for (let attempt = 1; attempt <= (campaign.name === 'random' ? 1 : MAX_TRIES); attempt++) {
      const { ratio, others } = await this.measured(campaign);
      if (campaign.saturates !== undefined) return;
      if (others > MAX_OTHERS_SHARE)
        console.log('  others had too much of the machine: this says nothing of the times');
      else if (ratio <= MAX_LATENCY_RATIO) return void this.undisturbed++;
      // What was seen undisturbed is not undone by a later attempt that was disturbed.
      else slowest = Math.max(slowest, ratio);
    }
    if (slowest === 0) this.disturbed.push(campaign.name);
    else this.violation(`${campaign.name}: the good client's p99 is ${slowest.toFixed(2)} × of what it is alone`);
  }

  private async measured(campaign: Campaign): Promise<Outcome> {
    const { pid } = this.target;
    const before = residentBytes(pid);
    const calmMeter = new CpuMeter(this.processes());
    const calm = await this.slices((count) => count >= CALM_SLICES);
    const calmShares = calmMeter.shares();
    forgetPeak(pid);
    const meter = new CpuMeter(this.processes());
    let isOver = false;
    const attack = this.attack(campaign).finally(() => {
      isOver = true;
    });
    const attacked = await this.slices(() => isOver);
    await attack;
    const shares = meter.shares();
    const peak = peakBytes(pid);
    const goneMs = await this.seeGone();
    const after = residentBytes(pid);
    const ratio = latencyRatio(calm, attacked);
    const floor = `a p99 below ${LATENCY_FLOOR_MS} ms counts as that`;
    const remark =
      campaign.saturates === undefined ? `at most ${MAX_LATENCY_RATIO} ×` : `not judged: ${campaign.saturates}`;
    console.log(`  good client alone:    ${spell(calm)}`);
    console.log(`  good client attacked: ${spell(attacked)}`);
    console.log(`  p99 ${ratio.toFixed(2)} × (${remark}; ${floor})`);
    console.log(
      `  node's memory ${mib(before)} MiB before, ${mib(peak)} at most, ${mib(after)} after; may grow by ${campaign.growthMib}; connections gone after ${(goneMs / 1000).toFixed(1)} s`,
    );
    console.log(`  share of all cores: ${shares.words}; alone: ${calmShares.words}`);
    this.judgeMemory(campaign, before, peak);
    return { calm, attacked, ratio, others: Math.max(shares.others, calmShares.others) };
  }

  private processes(): ReadonlyMap<string, number> {
    return new Map([
      ['node', this.target.pid],
      ['abuser', this.attacker.child.pid ?? 0],
      ['good client', this.good.pid],
    ]);
  }

  /** Slices until `isEnough`: of the last one only when it is long enough. */
  private async slices(isEnough: (count: number) => boolean): Promise<Phase> {
    const slices: Times[] = [];
    await this.good.slice();
    while (!isEnough(slices.length)) {
      const startedMs = performance.now();
      while (performance.now() - startedMs < SLICE_MS && !(slices.length > 0 && isEnough(slices.length)))
        await pause(50);
      const times = await this.good.slice();
      if (times === undefined) break;
      if (performance.now() - startedMs >= SLICE_MS || slices.length === 0) slices.push(times);
    }
    return phaseOf(slices);
  }

  private judgeMemory({ name, growthMib }: Campaign, before: number, peak: number): void {
    this.peakRss = Math.max(this.peakRss, peak);
    if (peak - before > growthMib * MIB)
      this.violation(`${name}: the node grew by ${mib(peak - before)} MiB, ${growthMib} are allowed`);
  }

  /** Sees that nobody is connected but the good client. Returns how long that took, in milliseconds. */
  private async seeGone(): Promise<number> {
    const startedMs = performance.now();
    let left = await this.connected();
    while (left > GOOD_CONNECTIONS && performance.now() - startedMs < GONE_MS) {
      await pause(100);
      left = await this.connected();
    }
    if (left > GOOD_CONNECTIONS) this.violation(`${left - GOOD_CONNECTIONS} connections are still there`);
    return performance.now() - startedMs;
  }

  /** AMQP connections that the node counts. */
  private async connected(): Promise<number> {
    if (!this.node.isAlive) return 0;
    const response = await fetch(`http://127.0.0.1:${this.node.port}/metrics`);
    const counts = [...(await response.text()).matchAll(/^duolog_amqp_connections\{[^}]*\} (\d+)/gm)];
    if (counts.length === 0) this.violation('/metrics does not tell the number of AMQP connections');
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  // ---- The end ----

  private async finish(): Promise<void> {
    const published = this.node.isAlive ? await this.good.finish() : 0;
    await Promise.all([this.good.stop(), this.attacker.stop()]);
    if (this.node.isAlive) await this.count();
    else this.violation('The node died');
    if (this.peakRss > MAX_RSS_BYTES)
      this.violation(`The node had ${mib(this.peakRss)} MiB resident: the limit is ${mib(MAX_RSS_BYTES)}`);
    await this.restart();
    console.log(`\n${this.frames} frames over ${this.connections} connections`);
    console.log(`Most memory resident: ${mib(this.peakRss)} MiB of ${mib(MAX_RSS_BYTES)}`);
    console.log(`Good client: ${published} messages, all confirmed, all delivered once and in order`);
  }

  /** What the good client published was taken and acknowledged, and the node serves. */
  private async count(): Promise<void> {
    const client = await AmqpClient.open(this.node);
    const channel = await client.channel();
    const { fields } = await channel.call('queue.declare', { queue: GOOD_QUEUE, passive: true });
    if (fields['messageCount'] !== 0) this.violation(`${fields['messageCount']} good messages are still there`);
    await channel.call('queue.declare', { queue: SOUND_QUEUE, passive: true });
    await client.close();
  }

  /** Stops the node, starts it again and looks again: what was there is there. */
  private async restart(): Promise<void> {
    if (this.node.isAlive) await this.stopNode('after the attack');
    try {
      this.node = await NodeProcess.start(this.settings);
      await this.count();
      await this.stopNode('after the restart');
    } catch (error) {
      this.violation(`After the restart: ${error instanceof Error ? error.message : error}`);
      await this.node.stop();
    }
  }

  private async stopNode(when: string): Promise<void> {
    const code = await this.node.stop();
    if (code !== '0') this.violation(`The stop ${when} ended with ${code}`);
    for (const complaint of this.node.complaints) this.violation(`The node's log: ${complaint}`);
  }

  private verdict(): void {
    const { seed } = this.options;
    const { violations } = this.ledger;
    if (!this.isBrief)
      console.log(
        `Times: ${this.undisturbed} campaigns were within ${MAX_LATENCY_RATIO} × while others had at most ${MAX_OTHERS_SHARE * 100} % of the machine; ` +
          `not judged because others had more: ${this.disturbed.join(', ') || 'none'}`,
      );
    if (violations.length === 0) console.log(`No rule was broken (seed ${seed}).`);
    else
      console.log(
        `${violations.length} violations. Replay: --seed ${seed} --campaign NAME, a job of random alone: --job N`,
      );
  }
}

function spell({ slices, confirmP50, confirmP99, deliverP50, deliverP99, worst }: Phase): string {
  const ms = (value: number): string => value.toFixed(1);
  const confirmed = `confirmed p50 ${ms(confirmP50)} p99 ${ms(confirmP99)} ms`;
  const delivered = `delivered p50 ${ms(deliverP50)} p99 ${ms(deliverP99)} ms`;
  return `${confirmed}, ${delivered} (median of ${slices} slices of ${SLICE_MS / 1000} s; the worst p99 ${ms(worst)} ms)`;
}

/** By how much the larger of both p99 has grown; what is below the floor counts as the floor. */
function latencyRatio(calm: Phase, attacked: Phase): number {
  const floored = (ms: number): number => Math.max(ms, LATENCY_FLOOR_MS);
  return Math.max(
    floored(attacked.confirmP99) / floored(calm.confirmP99),
    floored(attacked.deliverP99) / floored(calm.deliverP99),
  );
}
