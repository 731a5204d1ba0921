import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BrokerName, brokerName, type RunningBroker } from '../conformance/broker/broker.js';
import { startBroker } from '../conformance/broker/start.js';
import { Comparer, type Verdict } from './compare.js';
import { Executor } from './executor.js';
import { generate, profileOf } from './generator/generator.js';
import { KNOWN_DIFFERENCES } from './known-differences.js';
import { type Sequence, stepText } from './operations.js';
import { kindOf, shrink } from './shrink.js';

interface Options {
  readonly sequences: number;
  readonly seed: number;
  readonly start: number;
  readonly workers: number;
  readonly against: BrokerName;
  readonly maxDifferences: number;
  readonly replay: string | undefined;
  /** Only shows what the reference broker does with this sequence. */
  readonly show: number | undefined;
  readonly referencePort: number | undefined;
  readonly candidatePort: number | undefined;
  readonly shards: number | undefined;
  /** Only sequences of these kinds. */
  readonly profiles: readonly string[] | undefined;
}

function readOptions(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sequences: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      start: { type: 'string', default: '0' },
      workers: { type: 'string', default: '16' },
      against: { type: 'string', default: 'duolog' },
      'max-differences': { type: 'string', default: '50' },
      replay: { type: 'string' },
      show: { type: 'string' },
      'reference-port': { type: 'string' },
      'candidate-port': { type: 'string' },
      shards: { type: 'string' },
      profiles: { type: 'string' },
    },
  });
  if (positionals[0] !== 'rabbitmq') throw new Error('Say what to compare with: npm run diff -- rabbitmq');
  const number = (name: string, text: string): number => {
    if (!/^\d+$/.test(text)) throw new Error(`--${name} is ${text}: it must be a whole number`);
    return Number(text);
  };
  const perhaps = (name: string, text: string | undefined) => (text === undefined ? undefined : number(name, text));
  return {
    sequences: number('sequences', values.sequences),
    seed: number('seed', values.seed),
    start: number('start', values.start),
    workers: number('workers', values.workers),
    against: brokerName(values.against),
    maxDifferences: number('max-differences', values['max-differences']),
    replay: values.replay,
    show: perhaps('show', values.show),
    referencePort: perhaps('reference-port', values['reference-port']),
    candidatePort: perhaps('candidate-port', values['candidate-port']),
    shards: perhaps('shards', values.shards),
    profiles: values.profiles?.split(','),
  };
}

type Difference = Extract<Verdict, { kind: 'different' }>;

class Run {
  readonly counts = { same: 0, different: 0, unsteady: 0, late: 0, known: 0 };
  /** How many sequences showed each kind of difference. */
  readonly kinds = new Map<string, number>();
  private readonly options: Options;
  private next: number;
  private readonly folder = join(process.env['DUOLOG_ROOT'] ?? process.cwd(), '.cache/diff');

  constructor(options: Options) {
    this.options = options;
    this.next = options.start;
    mkdirSync(this.folder, { recursive: true });
  }

  /** One of several that take sequences in turn. */
  async worker(comparer: Comparer): Promise<void> {
    const { start, sequences, seed, maxDifferences, profiles } = this.options;
    while (this.next < start + sequences && this.counts.different < maxDifferences) {
      const index = this.next;
      this.next += 1;
      if (profiles !== undefined && !profiles.includes(profileOf(seed, index))) continue;
      try {
        await this.one(comparer, generate(seed, index), index);
      } catch (error) {
        throw new Error(`sequence ${index} could not be run: ${String(error)}`, { cause: error });
      }
      const done = this.next - start;
      if (done % 1000 === 0) process.stderr.write(`${done} sequences, ${JSON.stringify(this.counts)}\n`);
    }
  }

  /** Compares, shrinks and reports one sequence. */
  async one(comparer: Comparer, sequence: Sequence, index: number): Promise<void> {
    const verdict = await comparer.compare(sequence);
    if (verdict.kind !== 'different') {
      this.counts[verdict.kind] += 1;
      if (verdict.kind === 'unsteady') process.stderr.write(`unsteady: sequence ${index}\n`);
      return;
    }
    const kind = kindOf(verdict);
    const seen = this.kinds.get(kind) ?? 0;
    this.kinds.set(kind, seen + 1);
    // The same kind of difference is shrunk a few times only: its causes may differ, but each costs seconds.
    const upToIt = { ...sequence, steps: sequence.steps.slice(0, verdict.step + 1) };
    const shrunk = seen < 3 ? await shrink(comparer, sequence, verdict) : { sequence: upToIt, difference: verdict };
    const known = this.knownDifference(shrunk.sequence, shrunk.difference);
    if (known !== undefined) {
      this.counts.known += 1;
      return;
    }
    this.counts.different += 1;
    if (seen < 3) this.report(shrunk.sequence, shrunk.difference, index);
  }

  private knownDifference(sequence: Sequence, { expected, found }: Difference): string | undefined {
    return KNOWN_DIFFERENCES.find((one) => one.matches(sequence, expected, found))?.name;
  }

  private report(sequence: Sequence, { step, expected, found }: Difference, index: number): void {
    const file = join(this.folder, `seed-${this.options.seed}-sequence-${index}.json`);
    writeFileSync(file, `${JSON.stringify(sequence, undefined, 1)}\n`);
    const lines = sequence.steps.map((one, at) => `  ${at === step ? '>' : ' '} ${stepText(one)}`);
    const indented = (text: string) => text.replaceAll(/^/gm, '      ');
    const text = `\nDifference in sequence ${index}${sequence.look === 'end' ? ' (no waits between steps)' : ''}:\n${lines.join('\n')}\n    rabbitmq:\n${indented(expected)}\n    ${this.options.against}:\n${indented(found)}\n    again: npm run diff -- rabbitmq --replay ${file}\n`;
    process.stdout.write(text);
  }
}

async function compareBrokers(options: Options, reference: RunningBroker, candidate: RunningBroker): Promise<boolean> {
  const endpoint = ({ host, amqpPort }: RunningBroker) => ({ host, port: amqpPort });
  const endpoints = { reference: endpoint(reference), candidate: endpoint(candidate) };
  const run = new Run(options);
  const startMs = performance.now();
  const label = (worker: number) => `d${Date.now().toString(36)}${worker}`;
  if (options.replay !== undefined) {
    const comparer = new Comparer(endpoints, label(0));
    await run.one(comparer, JSON.parse(readFileSync(options.replay, 'utf8')) as Sequence, 0);
    await comparer.close();
  } else {
    const comparers = Array.from({ length: options.workers }, (_, worker) => new Comparer(endpoints, label(worker)));
    try {
      await Promise.all(comparers.map((comparer) => run.worker(comparer)));
      for (const comparer of comparers) await comparer.close();
    } catch (error) {
      // A broker that has ended is the gravest difference: its last words say more than what its clients noticed.
      process.stdout.write(`\nStopped: ${String(error)}\n${candidate.complaints().join('\n').slice(-5000)}\n`);
      return false;
    }
  }
  const seconds = (performance.now() - startMs) / 1000;
  const { same, different, unsteady, late, known } = run.counts;
  process.stdout.write(
    `\nseed ${options.seed}: ${same + different + unsteady + late + known} sequences in ${seconds.toFixed(0)} s: ${same} the same, ${different} different, ${known} with a known difference, ${unsteady} on which RabbitMQ itself is not steady, ${late} too slow\n`,
  );
  for (const [kind, count] of [...run.kinds].sort((left, right) => right[1] - left[1]))
    process.stdout.write(`  ${count} × ${kind}\n`);
  for (const complaint of candidate.complaints().slice(0, 10))
    process.stdout.write(`complaint: ${complaint.slice(0, 1000)}\n`);
  return different === 0 && candidate.complaints().length === 0;
}

async function againstCandidate(options: Options, reference: RunningBroker): Promise<boolean> {
  const isItself = options.against === 'rabbitmq' && options.candidatePort === undefined;
  const candidate = isItself
    ? reference
    : await startBroker(options.against, { runningPort: options.candidatePort, shards: options.shards });
  try {
    return await compareBrokers(options, reference, candidate);
  } finally {
    if (!isItself) await candidate.stop();
  }
}

async function show(sequence: Sequence, { host, amqpPort }: RunningBroker): Promise<void> {
  const executor = new Executor({ host, port: amqpPort });
  const outcome = await executor.run(sequence, 'shown-');
  if (outcome.kind === 'late') throw new Error('The sequence took too long for its own times to live');
  for (const [index, step] of sequence.steps.entries()) {
    process.stdout.write(`${stepText(step)}\n${(outcome.transcript[index] ?? '').replaceAll(/^/gm, '    ')}\n`);
  }
  await executor.close();
}

const options = readOptions();
const reference = await startBroker('rabbitmq', { runningPort: options.referencePort });
try {
  if (options.show !== undefined) await show(generate(options.seed, options.show), reference);
  else process.exitCode = (await againstCandidate(options, reference)) ? 0 : 1;
} finally {
  await reference.stop();
}
