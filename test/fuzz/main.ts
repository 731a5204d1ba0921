/** The fuzzer of the native door; see run.mjs for how it is started. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker } from 'node:worker_threads';
import { Prng } from '../../src/base/prng.js';
import { type FuzzOptions, readArguments } from './arguments.js';
import { sessionScript } from './attacks.js';
import { type GoodReport, runGoodClient } from './good-client.js';
import { HUGE_KINDS, hugeScript } from './huge-attacks.js';
import { lastCount } from './last-count.js';
import { Ledger } from './ledger.js';
import { HUGE_JOB_EVERY, MAX_RSS_BYTES, PARALLEL_JOBS, RAW_JOB_EVERY, SAMPLE_MS } from './limits.js';
import { NodeProcess } from './node-process.js';
import { RawJob } from './raw-job.js';
import { SessionJob } from './session-job.js';
import { QUEUE, TOPIC } from './valid-frames.js';
import { WireClient } from './wire-client.js';

const MIB = 1024 * 1024;
/** A run of fewer frames is a quick check, and waits for nothing. */
const BRIEF_FRAMES = 100_000;
const PROGRESS_MS = 5_000;
/** More broken rules than these say nothing new. */
const MAX_VIOLATIONS = 20;

class Run {
  private readonly options: FuzzOptions;
  private readonly ledger = new Ledger();
  private readonly folder: string;
  private readonly running = new Set<number>();
  private readonly hanging = new Set<Promise<void>>();
  private node!: NodeProcess;
  private nextJob = 0;
  private goodPublished = 0;
  private peakRss = 0;

  constructor(options: FuzzOptions) {
    this.options = options;
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), 'duolog-fuzz-'));
  }

  /** Runs everything. Returns whether no rule was broken. */
  async run(): Promise<boolean> {
    const { frames, seed, shards } = this.options;
    console.log(`Fuzzing the native door: ${frames} frames, seed ${seed}`);
    this.node = await NodeProcess.start(this.settings);
    console.log(
      `Node: engine ${this.node.engine}, ${shards} shards, ${(this.node.rssBytes() / MIB).toFixed(0)} MiB at start`,
    );
    await this.declare();
    const good = await this.startGoodClient();
    const started = performance.now();
    const watch = setInterval(() => this.watch(), SAMPLE_MS);
    const progress = setInterval(() => this.progress(started), PROGRESS_MS);
    await Promise.all(Array.from({ length: PARALLEL_JOBS }, () => this.lane()));
    const seconds = (performance.now() - started) / 1000;
    clearInterval(progress);
    await Promise.all(this.hanging);
    const goodEnd = this.node.isAlive ? await good.finish() : undefined;
    await good.worker.terminate();
    this.goodPublished = goodEnd?.published ?? 0;
    const counted = await this.count();
    clearInterval(watch);
    await this.restart();
    this.report(seconds, goodEnd, counted);
    if (this.options.folder === undefined) rmSync(this.folder, { recursive: true, force: true });
    return this.ledger.violations.length === 0;
  }

  private get settings(): Record<string, unknown> {
    const { shards, engine } = this.options;
    return { data: this.folder, shards, ...(engine === undefined ? {} : { wsEngine: engine }) };
  }

  private async declare(): Promise<void> {
    const client = await WireClient.open(this.node.url);
    await client.ask({ declare: { topic: { name: TOPIC, partitions: 2, retentionMs: -1 } } });
    await client.ask({ declare: { queue: { name: QUEUE, partitions: 2 } } });
    await client.close();
  }

  private async startGoodClient(): Promise<{ worker: Worker; finish(): Promise<GoodReport & { kind: 'done' }> }> {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { url: this.node.url } });
    let ready: () => void = () => {};
    let done: (report: GoodReport & { kind: 'done' }) => void = () => {};
    worker.on('message', (report: GoodReport) => {
      if (report.kind === 'ready') ready();
      else if (report.kind === 'violation') this.violation(undefined, report.text);
      else done(report);
    });
    worker.on('error', (error) => this.violation(undefined, `The good client failed: ${error.stack}`));
    await new Promise<void>((resolve) => {
      ready = resolve;
    });
    const finish = (): Promise<GoodReport & { kind: 'done' }> =>
      new Promise((resolve) => {
        done = resolve;
        worker.postMessage('finish');
      });
    return { worker, finish };
  }

  private violation(job: number | undefined, text: string): void {
    this.ledger.violation(job, text);
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
      await this.runJob(job);
      // When the node dies, these are the jobs that may have killed it.
      if (this.node.isAlive) this.running.delete(job);
    }
  }

  private async runJob(job: number): Promise<void> {
    const prng = new Prng(this.options.seed * 2 ** 21 + job);
    const { ledger, node } = this;
    if (job % RAW_JOB_EVERY === 1) {
      const raw = new RawJob(node.port, job, prng, ledger, this.options.frames < BRIEF_FRAMES);
      await raw.run((rest) => {
        this.hanging.add(rest);
        void rest.then(() => this.hanging.delete(rest));
      });
      return;
    }
    // A short run has each kind of huge frame at least once, too.
    const every = Math.min(HUGE_JOB_EVERY, Math.max(1, Math.floor(this.options.frames / 64 / HUGE_KINDS)));
    const script = job % every === 0 ? hugeScript(job / every, prng) : sessionScript(prng);
    await new SessionJob(node.url, job, script, ledger).run();
  }

  private watch(): void {
    if (!this.node.isAlive) return;
    const rss = this.node.rssBytes();
    if (rss > MAX_RSS_BYTES && this.peakRss <= MAX_RSS_BYTES) {
      this.violation(
        undefined,
        `The node has ${(rss / MIB).toFixed(0)} MiB resident: the limit is ${MAX_RSS_BYTES / MIB}`,
      );
    }
    this.peakRss = Math.max(this.peakRss, rss, this.node.peakRssBytes());
  }

  private progress(started: number): void {
    const seconds = (performance.now() - started) / 1000;
    const { frames, connections, violations } = this.ledger;
    console.log(
      `  ${seconds.toFixed(0)} s: ${frames} frames, ${(frames / seconds).toFixed(0)}/s, ${connections} connections, ` +
        `${(this.node.rssBytes() / MIB).toFixed(0)} MiB, ${violations.length} violations`,
    );
  }

  private async count(): Promise<string> {
    if (this.node.isAlive) return lastCount(this.node.url, this.ledger, this.goodPublished);
    this.violation(undefined, `The node died during jobs ${[...this.running].join(', ')}`);
    return 'nothing: the node is dead';
  }

  /** Stops the node, starts it again and counts again: what was there is there. */
  private async restart(): Promise<void> {
    if (this.node.isAlive) await this.stopNode('after the attack');
    try {
      this.node = await NodeProcess.start(this.settings);
      await lastCount(this.node.url, this.ledger, this.goodPublished);
      await this.stopNode('after the restart');
    } catch (error) {
      this.violation(undefined, `After the restart: ${error instanceof Error ? error.message : error}`);
      await this.node.stop();
    }
  }

  private async stopNode(when: string): Promise<void> {
    const code = await this.node.stop();
    if (code !== '0') this.violation(undefined, `The stop ${when} ended with ${code}`);
    for (const complaint of this.node.complaints) this.violation(undefined, `The node's log: ${complaint}`);
  }

  private report(seconds: number, good: (GoodReport & { kind: 'done' }) | undefined, counted: string): void {
    const { ledger } = this;
    console.log(
      `\n${ledger.frames} frames in ${seconds.toFixed(1)} s: ${(ledger.frames / seconds).toFixed(0)}/s over ${ledger.connections} connections`,
    );
    console.log(ledger.table());
    console.log(`Most memory resident: ${(this.peakRss / MIB).toFixed(0)} MiB of ${MAX_RSS_BYTES / MIB}`);
    if (good !== undefined) {
      console.log(
        `Good client: ${good.published} messages to a topic, as many to a queue, all delivered once and in order`,
      );
      console.log(`  confirmed on disk  ${good.confirmMs}\n  delivered          ${good.deliverMs}`);
    }
    console.log(`At the end: ${counted}`);
    const { seed } = this.options;
    if (ledger.violations.length === 0) console.log(`No rule was broken (seed ${seed}).`);
    else
      console.log(
        `${ledger.violations.length} violations. Replay: --seed ${seed}, one job alone: --seed ${seed} --job N`,
      );
  }
}

if (isMainThread) {
  const passed = await new Run(readArguments()).run();
  process.exitCode = passed ? 0 : 1;
} else {
  await runGoodClient();
}
