/** The fuzzer of the AMQP door; see ../run.mjs for how it is started. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';
import { Prng } from '../../../src/base/prng.js';
import { type FuzzOptions, readArguments } from '../arguments.js';
import { Ledger } from '../ledger.js';
import { MAX_RSS_BYTES, PARALLEL_JOBS, SAMPLE_MS } from '../limits.js';
import { NodeProcess } from '../node-process.js';
import { AmqpClient } from './client.js';
import { GOOD_QUEUE, type GoodOrder, type GoodReport, runGoodClient, type Times } from './good-client.js';
import { SessionJob } from './session-job.js';
import { SOUND_EXCHANGE, SOUND_QUEUE } from './steps.js';
import type { NodeAddress } from './stream.js';
import { trickle } from './trickle.js';

const MIB = 1024 * 1024;
/** A run of fewer frames is a quick check, and waits for nothing. */
const BRIEF_FRAMES = 100_000;
const PROGRESS_MS = 5_000;
const MAX_VIOLATIONS = 20;
const TRICKLING_PEERS = 5_000;
const BRIEF_TRICKLING_PEERS = 200;
/** How long the good client is alone, to know what is usual. */
const CALM_MS = 5_000;
const BRIEF_CALM_MS = 500;

/** The good client's thread. */
class GoodThread {
  onViolation: (text: string) => void = () => {};
  readonly worker: Worker;
  private readonly waiters = new Map<GoodReport['kind'], (report: GoodReport) => void>();

  constructor(address: NodeAddress) {
    this.worker = new Worker(fileURLToPath(import.meta.url), {
      workerData: { address: { port: address.port, amqpPort: address.amqpPort } },
    });
    this.worker.on('message', (report: GoodReport) => {
      if (report.kind === 'violation') this.onViolation(report.text);
      else this.waiters.get(report.kind)?.(report);
    });
    this.worker.on('error', (error) => this.onViolation(`The good client failed: ${error.stack}`));
  }

  next<Kind extends GoodReport['kind']>(kind: Kind): Promise<GoodReport & { kind: Kind }> {
    // What a waiter gets has the kind that it was entered for.
    return new Promise((resolve) => this.waiters.set(kind, resolve as (report: GoodReport) => void));
  }

  /** The times since the phase before. */
  async phase(): Promise<Times> {
    const answer = this.next('phase');
    this.worker.postMessage('phase' satisfies GoodOrder);
    return (await answer).times;
  }

  async finish(): Promise<number> {
    const answer = this.next('done');
    this.worker.postMessage('finish' satisfies GoodOrder);
    return (await answer).published;
  }
}

class Run {
  private readonly options: FuzzOptions;
  private readonly ledger = new Ledger();
  private readonly folder: string;
  private readonly running = new Set<number>();
  private node!: NodeProcess;
  private nextJob = 0;
  private peakRss = 0;
  private startedMs = 0;

  constructor(options: FuzzOptions) {
    this.options = options;
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), 'duolog-fuzz-'));
  }

  private get isBrief(): boolean {
    return this.options.frames < BRIEF_FRAMES;
  }

  /** Runs everything. Returns whether no rule was broken. */
  async run(): Promise<boolean> {
    const { frames, seed, shards } = this.options;
    console.log(`Fuzzing the AMQP door: ${frames} frames, seed ${seed}`);
    this.node = await NodeProcess.start(this.settings);
    console.log(
      `Node: engine ${this.node.engine}, ${shards} shards, ${(this.node.rssBytes() / MIB).toFixed(0)} MiB at start`,
    );
    await this.declare();
    const good = new GoodThread(this.node);
    good.onViolation = (text) => this.violation(text);
    await good.next('ready');
    await pause(this.isBrief ? BRIEF_CALM_MS : CALM_MS);
    const calm = await good.phase();
    this.startedMs = performance.now();
    const watch = setInterval(() => this.watch(), SAMPLE_MS);
    const progress = setInterval(() => this.progress(), PROGRESS_MS);
    const peers = this.isBrief ? BRIEF_TRICKLING_PEERS : TRICKLING_PEERS;
    const isAlone = this.options.job !== undefined;
    const trickled = isAlone ? Promise.resolve(0) : trickle(this.node, peers, this.ledger);
    await Promise.all(Array.from({ length: isAlone ? 1 : PARALLEL_JOBS }, () => this.lane()));
    const seconds = (performance.now() - this.startedMs) / 1000;
    const longest = await trickled;
    clearInterval(progress);
    const attacked = this.node.isAlive ? await good.phase() : undefined;
    const published = this.node.isAlive ? await good.finish() : 0;
    await good.worker.terminate();
    await this.count();
    clearInterval(watch);
    await this.restart();
    this.report(seconds, calm, attacked);
    console.log(`Good client: ${published} messages, all confirmed, all delivered once and in order`);
    console.log(`Trickling peers: ${isAlone ? 0 : peers}, the last cut after ${(longest / 1000).toFixed(1)} s`);
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

  private get isOver(): boolean {
    const { job, frames } = this.options;
    if (job !== undefined) return this.nextJob > 0;
    return this.ledger.frames >= frames || !this.node.isAlive || this.ledger.violations.length >= MAX_VIOLATIONS;
  }

  private async lane(): Promise<void> {
    while (!this.isOver) {
      const job = this.options.job ?? this.nextJob;
      this.nextJob++;
      this.running.add(job);
      const prng = new Prng(this.options.seed * 2 ** 21 + job);
      await SessionJob.run(this.node, job, prng, this.ledger, this.isBrief).catch((error: unknown) => {
        this.ledger.violation(job, `failed: ${error instanceof Error ? error.stack : error}`);
      });
      // When the node dies, these are the jobs that may have killed it.
      if (this.node.isAlive) this.running.delete(job);
    }
  }

  private watch(): void {
    if (!this.node.isAlive) return;
    const rss = this.node.rssBytes();
    if (rss > MAX_RSS_BYTES && this.peakRss <= MAX_RSS_BYTES)
      this.violation(`The node has ${(rss / MIB).toFixed(0)} MiB resident: the limit is ${MAX_RSS_BYTES / MIB}`);
    this.peakRss = Math.max(this.peakRss, rss, this.node.peakRssBytes());
  }

  private progress(): void {
    const seconds = (performance.now() - this.startedMs) / 1000;
    const { frames, connections, violations } = this.ledger;
    console.log(
      `  ${seconds.toFixed(0)} s: ${frames} frames, ${(frames / seconds).toFixed(0)}/s, ${connections} connections, ` +
        `${(this.node.rssBytes() / MIB).toFixed(0)} MiB, ${violations.length} violations`,
    );
  }

  /** What the good client published was taken and acknowledged, and the node serves. */
  private async count(): Promise<void> {
    if (!this.node.isAlive) return this.violation(`The node died during jobs ${[...this.running].join(', ')}`);
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

  private report(seconds: number, calm: Times, attacked: Times | undefined): void {
    const { ledger } = this;
    console.log(
      `\n${ledger.frames} frames in ${seconds.toFixed(1)} s: ${(ledger.frames / seconds).toFixed(0)}/s over ${ledger.connections} connections`,
    );
    console.log(ledger.table());
    console.log(`Most memory resident: ${(this.peakRss / MIB).toFixed(0)} MiB of ${MAX_RSS_BYTES / MIB}`);
    const spell = ({ confirmP50, confirmP99, deliverP50, deliverP99 }: Times): string =>
      `confirmed p50 ${confirmP50.toFixed(1)} p99 ${confirmP99.toFixed(1)} ms, delivered p50 ${deliverP50.toFixed(1)} p99 ${deliverP99.toFixed(1)} ms`;
    console.log(`Good client alone:     ${spell(calm)}`);
    if (attacked === undefined) return;
    console.log(`Good client, attacked: ${spell(attacked)}`);
    const ratio = Math.max(attacked.confirmP99 / calm.confirmP99, attacked.deliverP99 / calm.deliverP99);
    console.log(`  p99 at most ${ratio.toFixed(1)} × of what it is alone`);
  }

  private verdict(): void {
    const { seed } = this.options;
    const { violations } = this.ledger;
    if (violations.length === 0) console.log(`No rule was broken (seed ${seed}).`);
    else console.log(`${violations.length} violations. Replay: --seed ${seed}, one job alone: --seed ${seed} --job N`);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (isMainThread) {
  const passed = await new Run(readArguments()).run();
  process.exitCode = passed ? 0 : 1;
} else {
  await runGoodClient();
}
