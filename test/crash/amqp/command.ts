import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Prng } from '../../../src/base/prng.js';
import { AmqpClient } from '../../fuzz/amqp/client.js';
import { ChildNode } from '../node/child.js';
import { promised } from '../power/violation.js';
import { printTable } from '../report.js';
import { Ledger } from './ledger.js';
import { declareAll, Load, type LoadCounts } from './load.js';

const ROUNDS_PER_DRAIN = 3;
/** Longer than the longest delay, so that everything has come. */
const QUIET_MS = 3500;

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

class AmqpRun {
  rounds = 0;
  private readonly ledger = new Ledger();
  private readonly counts: LoadCounts = {
    published: 0,
    confirmed: 0,
    nacked: 0,
    returned: 0,
    deliveries: 0,
    acked: 0,
    rejected: 0,
    committed: 0,
    rolledBack: 0,
    latestMs: 0,
  };
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
        await new Promise((resolve) => setTimeout(resolve, this.prng.between(200, 2500)));
        promised(!node.child.hasDied, 'node-failed', () => `The node died by itself:\n${node.child.printed}`);
      } finally {
        const killed = node.child.kill();
        load.end();
        this.ledger.kills.push(Date.now());
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

  private async start(): Promise<{ child: ChildNode; address: { port: number; amqpPort: number }; load: Load }> {
    const child = await ChildNode.start({ data: this.data, shards: this.shards, program: this.program });
    const { amqpPort } = JSON.parse(readFileSync(join(this.data, 'node.json'), 'utf8')) as { amqpPort: number };
    const address = { port: child.port, amqpPort };
    return { child, address, load: this.load(address, 'm') };
  }

  private load(address: { port: number; amqpPort: number }, kind: string): Load {
    return new Load(address, this.prng.fork(), this.ledger, this.counts, `${kind}${this.rounds}`);
  }

  private async declare(address: { port: number; amqpPort: number }): Promise<void> {
    const client = await AmqpClient.open(address);
    await declareAll(await client.channel());
    await client.close();
  }

  private drain(address: { port: number; amqpPort: number }): Promise<void> {
    return this.load(address, 'd').drain(QUIET_MS);
  }

  report(): void {
    const { counts, ledger } = this;
    printTable([
      ['rounds', this.rounds],
      ['messages published with confirms', counts.published],
      ['confirmed', counts.confirmed],
      ['answered with nack', counts.nacked],
      ['answered with nack, yet stored', ledger.nackedYetStored],
      ['returned, before their ack', counts.returned],
      ['deliveries', counts.deliveries],
      ['flagged redelivered', ledger.redelivered],
      ['acknowledged', counts.acked],
      ['acknowledged within a second of a kill, and came again', ledger.twice],
      ['rejected to the dead letters', counts.rejected],
      ['transactions committed', counts.committed],
      ['transactions rolled back', counts.rolledBack],
      ['latest delayed message after its time, or the start (ms)', counts.latestMs],
    ]);
  }
}
