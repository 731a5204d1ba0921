import { type Command, Option } from 'commander';
import { type Client, ClientError, type FetchedRecords } from '../../client/index.js';
import { partitionList, type StartPosition, startPosition, wholeNumber } from '../arguments.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { addPrintOptions } from '../message-options.js';
import { MessagePrinter, type PrintOptions } from '../message-printer.js';
import { chosenPartitions, type Positions, startPositions } from '../positions.js';
import type { Progress } from '../progress.js';
import { formatDuration, plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';

interface ConsumeOptions extends PrintOptions {
  readonly from?: StartPosition;
  readonly group?: string;
  readonly partition?: readonly number[];
  readonly count?: number;
  readonly follow?: boolean;
}

/** How long a fetch waits at the node for new messages when following, in milliseconds. */
const FOLLOW_WAIT_MS = 5000;
/** How often a group's place is committed on the way, in milliseconds; it is committed at the end in any case. */
const COMMIT_EVERY_MS = 1000;

/** `duolog topic consume`: reads a topic by offset and prints it. */
export function addConsume(parent: Command, terminal: Terminal): void {
  const command = parent
    .command('consume')
    .summary('read a topic by offset')
    .description(
      'Read a topic, or the log of a queue, and print it: up to its present end, or with --follow for ever.\nNothing is taken out.',
    )
    .argument('<topic>')
    .addOption(
      new Option(
        '--from <position>',
        'beginning, end, an offset, -100 = the last 100 of each partition, @1h = an hour ago, @2026-01-31T12:00:00Z (default: where the group is, else the beginning)',
      ).argParser((text) => startPosition(text)),
    )
    .option('-g, --group <name>', 'go on where this group is, and commit what was printed')
    .addOption(new Option('-p, --partition <list>', 'only these partitions: 0 or 0,2 or 0-3').argParser(partitionList))
    .addOption(new Option('-n, --count <number>', 'stop after so many messages').argParser(wholeNumber(1)))
    .option('-f, --follow', 'wait for more messages; Ctrl-C ends');
  addPrintOptions(command)
    .addHelpText(
      'after',
      "\nExamples:\n  duolog topic consume events --from -10\n  duolog topic consume events --from @15m --format '%D %k %v'\n  duolog topic consume events -o ndjson | jq .value\n  duolog topic consume events --group nightly -n 1000",
    )
    .action(nodeAction(terminal, consume));
}

async function consume(session: NodeSession<ConsumeOptions>, topic: string): Promise<void> {
  const { client, output, options, interrupted } = session;
  const description = await client.describe(topic, { signal: interrupted });
  const partitions = chosenPartitions(description, options.partition);
  const start = options.from ?? { at: 'committed' };
  const positions = await startPositions(client, topic, partitions, start, options.group);
  const ends = options.follow === true ? undefined : new Map(partitions.map(({ partition, end }) => [partition, end]));
  const printer = new MessagePrinter(output, topic, options);
  const progress = output.progress({ verb: 'Read', total: totalOf(positions, ends, options.count) }, true);
  const place = new GroupPlace(client, topic, options.group);
  const startedMs = performance.now();
  try {
    await readOn(session, topic, { positions, ends, printer, place, progress });
    await printer.end();
    await place.commit();
  } finally {
    progress.clear();
    const committed = options.group === undefined ? '' : `, committed for ${options.group}`;
    const took = formatDuration(performance.now() - startedMs);
    output.note(`Read ${plural(printer.count, 'message')} of ${topic} in ${took}${committed}`);
  }
  interrupted.throwIfAborted();
}

interface Reading {
  readonly positions: Positions;
  /** Where to stop, by partition; undefined: never. */
  readonly ends: Positions | undefined;
  readonly printer: MessagePrinter;
  readonly place: GroupPlace;
  readonly progress: Progress;
}

/** Fetches and prints until the ends, the limit or an interruption; one fetch is under way while the one before is printed. */
async function readOn(session: NodeSession<ConsumeOptions>, topic: string, reading: Reading): Promise<void> {
  const { options, interrupted } = session;
  const { positions, ends, printer, place, progress } = reading;
  const limit = options.count ?? Number.POSITIVE_INFINITY;
  const fetch = fetcher(session, topic);
  for (
    let ahead = isAtEnd(positions, ends) ? undefined : fetch(positions);
    ahead !== undefined && !interrupted.aborted;
  ) {
    const parts = await ahead;
    for (const { partition, nextOffset } of parts) positions.set(partition, nextOffset);
    // A fetch that brought nothing says that offsets up to the end are gone: there is nothing to wait for.
    const isOver = isAtEnd(positions, ends) || (ends !== undefined && parts.every(isEmpty));
    const next = isOver ? undefined : fetch(positions);
    next?.catch(() => undefined);
    if (await printParts(parts, printer, place, limit)) return;
    progress.update(printer.count);
    await place.commitSometimes();
    ahead = next;
  }
}

function isEmpty({ records }: FetchedRecords): boolean {
  return records.length === 0;
}

function isAtEnd(positions: Positions, ends: Positions | undefined): boolean {
  return ends !== undefined && [...ends].every(([partition, end]) => (positions.get(partition) ?? 0) >= end);
}

/** Prints what was fetched; true when the limit is reached. */
async function printParts(
  parts: readonly FetchedRecords[],
  printer: MessagePrinter,
  place: GroupPlace,
  limit: number,
): Promise<boolean> {
  for (const { partition, records, nextOffset } of parts) {
    for (const record of records) {
      if (printer.print(record)) await printer.flush();
      place.note(partition, record.offset + 1);
      if (printer.count >= limit) return true;
    }
    place.note(partition, nextOffset);
  }
  await printer.flush();
  return false;
}

/** Fetches from positions; turns to records decoded by the node once a batch is compressed in a way that is unknown here. */
function fetcher({ client, options, interrupted }: NodeSession<ConsumeOptions>, topic: string) {
  let decoded = false;
  const fetchOnce = (from: readonly { partition: number; offset: number }[]) =>
    client.fetch(topic, from, {
      maxWaitMs: options.follow === true ? FOLLOW_WAIT_MS : 0,
      decoded,
      signal: interrupted,
    });
  return async (positions: Positions): Promise<FetchedRecords[]> => {
    const from = [...positions].map(([partition, offset]) => ({ partition, offset }));
    try {
      let parts = await fetchOnce(from);
      if (parts.some(({ error }) => error?.code === 'unsupported-codec')) {
        decoded = true;
        parts = await fetchOnce(from);
      }
      for (const { error } of parts) if (error !== undefined) throw error;
      return parts;
    } catch (error) {
      if (interrupted.aborted && error instanceof ClientError && error.code === 'aborted') return [];
      throw error;
    }
  };
}

/** How far a group has come: what was printed, and how much of it is committed. */
class GroupPlace {
  readonly #client: Client;
  readonly #topic: string;
  readonly #group: string | undefined;
  readonly #offsets = new Map<number, number>();
  #hasChanged = false;
  #committedMs = performance.now();

  constructor(client: Client, topic: string, group: string | undefined) {
    this.#client = client;
    this.#topic = topic;
    this.#group = group;
  }

  note(partition: number, nextOffset: number): void {
    this.#offsets.set(partition, nextOffset);
    this.#hasChanged = true;
  }

  async commitSometimes(): Promise<void> {
    if (performance.now() - this.#committedMs >= COMMIT_EVERY_MS) await this.commit();
  }

  async commit(): Promise<void> {
    if (this.#group === undefined || !this.#hasChanged) return;
    const offsets = [...this.#offsets].map(([partition, offset]) => ({ partition, offset }));
    await this.#client.commit(this.#group, this.#topic, offsets);
    this.#hasChanged = false;
    this.#committedMs = performance.now();
  }
}

/** How many messages there will be at most; undefined when nobody knows. */
function totalOf(positions: Positions, ends: Positions | undefined, limit: number | undefined): number | undefined {
  if (ends === undefined) return limit;
  const waiting = [...ends].reduce(
    (sum, [partition, end]) => sum + Math.max(0, end - (positions.get(partition) ?? 0)),
    0,
  );
  return Math.min(waiting, limit ?? waiting);
}
