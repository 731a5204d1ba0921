/** `duolog queue peek`, `get`, `unacked`, `move` and `redrive`: single messages of queues, for people. */
import { type Command, Option } from 'commander';
import type { Delivery, Fields, RoutedOutgoing, UnackedHolder } from '../../client/index.js';
import { wholeNumber } from '../arguments.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { CliError } from '../exit-codes.js';
import { fieldsAsJson, fieldsText } from '../fields.js';
import { wrongKind } from '../log-commands.js';
import { messageAsJson } from '../message-format.js';
import { addPrintOptions } from '../message-options.js';
import { MessagePrinter, type PrintOptions } from '../message-printer.js';
import type { CellColumn } from '../output.js';
import { formatCount, formatDuration, plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';

/** Messages that are asked for, and published, in one go. */
const BATCH_MESSAGES = 64;
/** The node holds what is looked at as unacknowledged. */
const PEEK_AT_MOST = 1_000;
/** Holders that the node tells in one answer. */
const UNACKED_AT_MOST = 1_000;
const SHOWN_CHARACTERS = 200;
/** What a message says about its deaths: it begins anew when it is sent back. */
const DEATH_HEADERS = /^x-(death|first-death-.*|last-death-.*)$/;

/** Adds the commands to `duolog queue`. */
export function addMessageCommands(queue: Command, terminal: Terminal): void {
  queue
    .command('peek')
    .summary('look at the messages at the head of a queue')
    .description(
      'Look at the next messages of a queue and put them back to their places. They count as redelivered from then on; in a queue\nwith a delivery limit each look counts.',
    )
    .argument('<queue>')
    .addOption(count('messages to look at', PEEK_AT_MOST).default(10))
    .action(nodeAction(terminal, peek));
  addPrintOptions(
    queue
      .command('get')
      .summary('take single messages out of a queue')
      .description('Take the next messages out of a queue and print them; no consumer is made.')
      .argument('<queue>')
      .addOption(count('messages to take').default(1))
      .option('--reject', 'reject them once they are printed: they are dropped, or go to the dead letter exchange'),
  ).action(nodeAction(terminal, get));
  queue
    .command('unacked')
    .summary('who holds messages of a queue')
    .description(
      'List who holds messages of a queue without having acknowledged them, the oldest message first: how many, and how old the\noldest one is since it was stored.',
    )
    .argument('<queue>')
    .addOption(count('list at most so many', UNACKED_AT_MOST).default(100))
    .action(nodeAction(terminal, unacked));
  queue
    .command('move')
    .summary('move messages from one queue to another')
    .description(
      'Move what waits in a queue to another one. Each message is acknowledged once the other queue has it: what breaks off\nin between may be there twice, never lost.',
    )
    .argument('<from>', 'queue')
    .argument('<to>', 'queue or topic')
    .addOption(count('at most so many (default: all that wait now)'))
    .action(nodeAction(terminal, move));
  queue
    .command('redrive')
    .summary('send dead letters back to the queues they came from')
    .description(
      'Send dead letters back to the queue in which each died last. What is no dead letter, or whose queue is gone, stays.',
    )
    .argument('<queue>', 'the queue that the dead letters are in')
    .addOption(count('look at most at so many (default: all that wait now)'))
    .action(nodeAction(terminal, redrive));
}

function count(text: string, most?: number): Option {
  return new Option('-n, --count <number>', text).argParser(wholeNumber(1, most));
}

interface CountOptions {
  readonly count?: number;
}

interface GetOptions extends CountOptions, PrintOptions {
  readonly reject?: boolean;
}

const columns: readonly CellColumn<Delivery>[] = [
  { heading: 'PARTITION', optional: true, align: 'right', cell: ({ partition }) => String(partition) },
  { heading: 'OFFSET', align: 'right', cell: ({ offset }) => String(offset) },
  { heading: 'STORED', optional: true, cell: ({ timestamp }) => new Date(timestamp).toISOString() },
  { heading: 'EXCHANGE', cell: ({ exchange }) => (exchange === '' ? '(default)' : (exchange ?? '')) },
  { heading: 'ROUTING KEY', cell: ({ routingKey, key }) => routingKey ?? (key === null ? '' : textOf(key)) },
  { heading: 'DELIVERED', align: 'right', cell: ({ deliveryCount }) => plural(deliveryCount, 'time') },
  { heading: 'DIED', optional: true, cell: deathsText },
  { heading: 'HEADERS', optional: true, cell: headersText },
  { heading: 'VALUE', cell: ({ value }) => (value === null ? '(null)' : shown(textOf(value))) },
];

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

function shown(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

function deathsText({ deadLetters, origin }: Delivery): string {
  const deaths = deadLetters.map(({ queue, reason, count: times }) => `${reason} in ${queue} ×${times}`).join(', ');
  return origin === undefined ? deaths : `${deaths}, from offset ${origin.offset}`;
}

function headersText({ properties, headers }: Delivery): string {
  const fields = properties?.headers;
  if (fields === undefined)
    return headers.map(([name, value]) => `${name}=${textOf(value ?? new Uint8Array())}`).join(', ');
  return shown(fieldsText(withoutDeaths(fields)));
}

function withoutDeaths(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !DEATH_HEADERS.test(name)));
}

function asJson(delivery: Delivery, queue: string): unknown {
  const { exchange, routingKey, properties, deadLetters, origin } = delivery;
  const plain = messageAsJson(delivery, queue) as object;
  if (properties === undefined) return plain;
  const { headers, ...others } = properties;
  return {
    ...plain,
    exchange,
    routingKey,
    properties: { ...others, headers: fieldsAsJson(headers) },
    deadLetters,
    origin,
  };
}

async function peek(session: NodeSession<CountOptions>, queue: string): Promise<void> {
  const { client, output, options, interrupted } = session;
  const taken: Delivery[] = [];
  try {
    for await (const batch of batches(session, queue, options.count ?? 1)) taken.push(...batch);
    await output.list(taken, columns, (delivery) => asJson(delivery, queue), `Nothing waits in queue ${queue}`);
  } finally {
    await giveBack(taken);
  }
  const { messagesReady } = await client.describe(queue, { signal: interrupted });
  const behind = messagesReady - taken.length;
  if (behind > 0) output.note(`${plural(behind, 'message')} more`);
}

const unackedColumns: readonly CellColumn<UnackedHolder>[] = [
  { heading: 'HOLDER', cell: ({ kind }) => kind },
  { heading: 'SESSION', cell: ({ session }) => session },
  { heading: 'CONSUMER', cell: ({ consumer }) => consumer },
  { heading: 'PARTITION', optional: true, align: 'right', cell: ({ partition }) => String(partition) },
  { heading: 'UNACKED', align: 'right', cell: ({ count: held }) => formatCount(held) },
  { heading: 'OLDEST', align: 'right', cell: ({ firstOffset }) => String(firstOffset) },
  { heading: 'STORED', cell: ({ stored }) => (stored === undefined ? '' : ageOf(stored)) },
];

function ageOf(stored: Date): string {
  return `${formatDuration(Math.max(0, Date.now() - stored.getTime()))} ago`;
}

async function unacked(session: NodeSession<CountOptions>, queue: string): Promise<void> {
  const { client, output, options, interrupted } = session;
  const limit = options.count ?? UNACKED_AT_MOST;
  const { holders, more } = await client.unacked(queue, { limit, signal: interrupted });
  const oldestFirst = [...holders].sort((left, right) => timeOf(left.stored) - timeOf(right.stored));
  await output.list(oldestFirst, unackedColumns, holderAsJson, `Nobody holds messages of queue ${queue}`);
  if (more) output.warn('There are more holders than are listed');
}

function timeOf(stored: Date | undefined): number {
  return stored?.getTime() ?? Number.POSITIVE_INFINITY;
}

function holderAsJson({ stored, ...holder }: UnackedHolder): unknown {
  return { ...holder, stored: stored?.toISOString() ?? null };
}

async function get(session: NodeSession<GetOptions>, queue: string): Promise<void> {
  const { output, options } = session;
  const printer = new MessagePrinter(output, queue, options);
  try {
    for await (const batch of batches(session, queue, options.count ?? 1)) {
      for (const delivery of batch) printer.print(delivery);
      await printer.flush();
      // Only what has left this process is settled.
      await Promise.all(
        batch.map((one) => (options.reject ? one.nackConfirmed({ requeue: false }) : one.ackConfirmed())),
      );
    }
  } finally {
    await printer.end();
  }
  if (printer.count === 0) output.note(`Nothing waits in queue ${queue}`);
}

async function move(session: NodeSession<CountOptions>, from: string, to: string): Promise<void> {
  const { client, output, options, interrupted } = session;
  if (from === to) throw new CliError('usage', `Cannot move messages from queue ${from} to itself`);
  const target = await client.describe(to, { signal: interrupted });
  const most = options.count ?? (await readyIn(session, from));
  const moved = await transfer(session, from, most, () => target.name);
  output.note(`Moved ${plural(moved.sent, 'message')} from queue ${from} to ${to}`);
}

async function redrive(session: NodeSession<CountOptions>, queue: string): Promise<void> {
  const { output, options } = session;
  const most = options.count ?? (await readyIn(session, queue));
  const { sent, kept } = await transfer(session, queue, most, homeOf);
  output.note(`Sent ${plural(sent, 'dead letter')} of queue ${queue} back`);
  if (kept > 0) output.warn(`${plural(kept, 'message')} stayed: no dead letters, or their queue is gone`);
}

/** Where a dead letter died last: as its record says, or, when a program has published it once more, as its headers say. */
function homeOf({ origin, deadLetters }: Delivery): string | undefined {
  return origin?.queue ?? deadLetters[0]?.queue;
}

async function readyIn({ client, interrupted }: NodeSession<unknown>, name: string): Promise<number> {
  const queue = await client.describe(name, { signal: interrupted });
  if (queue.kind !== 'queue') throw wrongKind(queue, 'describe');
  return queue.messagesReady;
}

/** Sends messages on to where `targetOf` says; what has no target, or whose target is gone, goes back to its place at the end. */
async function transfer(
  session: NodeSession<unknown>,
  from: string,
  most: number,
  targetOf: (delivery: Delivery) => string | undefined,
): Promise<{ sent: number; kept: number }> {
  const kept: Delivery[] = [];
  let sent = 0;
  try {
    for await (const batch of batches(session, from, most)) {
      const outcomes = await Promise.allSettled(batch.map((delivery) => send(session, delivery, targetOf(delivery))));
      const isSent = (index: number): boolean => outcomes[index]?.status === 'fulfilled';
      const arrived = batch.filter((_, index) => isSent(index));
      kept.push(...batch.filter((_, index) => !isSent(index)));
      await Promise.all(arrived.map((delivery) => delivery.ackConfirmed()));
      sent += arrived.length;
      const failure = outcomes.find((outcome) => outcome.status === 'rejected' && !isMissingTarget(outcome.reason));
      if (failure?.status === 'rejected') throw failure.reason;
    }
  } finally {
    await giveBack(kept);
  }
  return { sent, kept: kept.length };
}

function isMissingTarget(reason: unknown): boolean {
  const { code } = reason as { readonly code?: unknown };
  return code === 'unroutable' || code === 'not-found';
}

async function send({ client }: NodeSession<unknown>, delivery: Delivery, target: string | undefined): Promise<void> {
  const { properties, key, value, headers } = delivery;
  if (target === undefined) throw new CliError('not-found', 'The message is no dead letter');
  if (properties === undefined) {
    await client.publish(target, { key, value, headers });
    return;
  }
  const { persistent, userId: _, headers: fields, ...others } = properties;
  const message: RoutedOutgoing = { ...others, headers: withoutDeaths(fields), routingKey: target, value };
  await client.publish(message, { mandatory: true, durability: persistent ? 'disk' : 'memory' });
}

async function giveBack(deliveries: readonly Delivery[]): Promise<void> {
  await Promise.all(deliveries.map((delivery) => delivery.nackConfirmed()));
}

/** The next messages of a queue, until it is empty or there were `most`; every one must be settled. */
async function* batches(
  { client, interrupted }: NodeSession<unknown>,
  queue: string,
  most: number,
): AsyncGenerator<Delivery[]> {
  for (let left = most; left > 0 && !interrupted.aborted; ) {
    const wanted = Math.min(left, BATCH_MESSAGES);
    const got = await Promise.all(Array.from({ length: wanted }, () => client.get(queue)));
    const batch = got.filter((delivery) => delivery !== undefined);
    if (batch.length > 0) yield batch;
    if (batch.length < wanted) return;
    left -= batch.length;
  }
}
