import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Prng } from '../../../src/base/prng.js';
import { realClock, realTimers } from '../../../src/io/clock/real-clock.js';
import { AmqpClient } from '../../fuzz/amqp/client.js';
import type { NodeAddress } from '../../fuzz/amqp/stream.js';
import { ChildNode } from '../node/child.js';
import { promised } from '../power/violation.js';
import { printTable } from '../report.js';
import { loadRows, noLoadCounts } from './counts.js';
import { Ledger } from './ledger.js';
import { Load } from './load.js';
import type { Site } from './site.js';
import { declareAll } from './topology.js';

const ROUNDS_PER_DRAIN = 3;
/** Longer than the longest delay, so that everything has come. */
export const QUIET_MS = 3500;
/** What this process is late by itself on a busy machine is in it. */
const LATEST_MS = 5000;
const WINDOW = 30;
/** An acknowledgement of this age is settled, and a publish answered. */
const SETTLED_MS = 1000;
/** Answers that have not come by then never will. */
const ANSWERED_MS = 10_000;

/** `crash amqp`: kills a node in the middle of AMQP clients' work, round after round, and prints what it kept. Returns the exit code. */
export async function runAmqp(args: string[], program: string): Promise<number> {
  const options = {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    shards: { type: 'string', default: '2' },
  } as const;
  const { values } = parseArgs({ args, options });
  const [rounds, seed, shards] = [Number(values.rounds), Number(values.seed), Number(values.shards)];
  const data = mkdtempSync(join(tmpdir(), 'duolog-crash-'));
  const run = new AmqpRun(data, shards, program, new Prng(seed));
  let failure: unknown;
  try {
    await run.run(rounds);
  } catch (cause) {
    failure = cause;
  }
  run.report();
  if (failure === undefined) {
    rmSync(data, { recursive: true });
    process.stdout.write(`GREEN: ${rounds} rounds, nothing confirmed was lost, and no transaction torn\n`);
    return 0;
  }
  process.stdout.write(`${failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)}\n`);
  process.stdout.write(
    `RED in round ${run.rounds + 1}. The folder is kept: ${data}. Again with npm run crash -- amqp --rounds ${rounds} --seed ${seed}\n`,
  );
  return 1;
}

/** A node that listens on this machine. */
function siteOf(address: NodeAddress): Site {
  return {
    clock: realClock,
    timers: realTimers,
    window: WINDOW,
    latestMs: LATEST_MS,
    connect: (prng) => AmqpClient.open(address, prng.chance(0.3) ? 'ws' : 'tcp'),
    next: (step) => setImmediate(step),
  };
}

class AmqpRun {
  rounds = 0;
  private readonly counts = noLoadCounts();
  private readonly ledger = new Ledger(this.counts, SETTLED_MS);
  private quietRounds = 0;
  private readonly data: string;
  private readonly shards: number;
  private readonly program: string;
  private readonly prng: Prng;

  constructor(data: string, shards: number, program: string, prng: Prng) {
    this.data = data;
    this.shards = shards;
    this.program = program;
    this.prng = prng;
  }

  async run(rounds: number): Promise<void> {
    for (; this.rounds < rounds; this.rounds++) {
      const node = await this.start();
      const { load } = node;
      try {
        if (this.rounds === 0) await this.declare(node.address);
        else if (this.rounds % ROUNDS_PER_DRAIN === 0) await this.drain(node.address);
        await load.begin();
        await sleep(this.prng.between(200, 2500));
        promised(!node.child.hasDied, 'node-failed', () => `The node died by itself:\n${node.child.printed}`);
        if (this.prng.chance(0.2)) await this.quieten(load);
      } finally {
        const killed = node.child.kill();
        load.end();
        this.ledger.died(Date.now());
        await killed;
      }
      if (load.violation !== undefined) throw load.violation;
    }
    const node = await this.start();
    try {
      await this.drain(node.address);
    } finally {
      await node.child.stop();
    }
  }

  /** Lets everything that is under way come to its end. */
  private async quieten(load: Load): Promise<void> {
    load.quieten();
    await sleep(SETTLED_MS);
    for (const startedMs = Date.now(); !load.isIdle && Date.now() - startedMs < ANSWERED_MS; ) await sleep(100);
    load.checkQuiet();
    this.quietRounds++;
  }

  private async start(): Promise<{ child: ChildNode; address: NodeAddress; load: Load }> {
    const child = await ChildNode.start({ data: this.data, shards: this.shards, program: this.program });
    const { amqpPort } = JSON.parse(readFileSync(join(this.data, 'node.json'), 'utf8')) as { amqpPort: number };
    const address = { port: child.port, amqpPort };
    return { child, address, load: this.load(address, 'm') };
  }

  private load(address: NodeAddress, kind: string): Load {
    return new Load(siteOf(address), this.prng.fork(), this.ledger, this.counts, `${kind}${this.rounds}`);
  }

  private async declare(address: NodeAddress): Promise<void> {
    const client = await AmqpClient.open(address);
    await declareAll(await client.channel());
    await client.close();
  }

  private drain(address: NodeAddress): Promise<void> {
    return this.load(address, 'd').drain(QUIET_MS);
  }

  report(): void {
    printTable([
      ['rounds', this.rounds],
      ['rounds in which all got their answers before the kill', this.quietRounds],
      ...loadRows(this.counts),
    ]);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
