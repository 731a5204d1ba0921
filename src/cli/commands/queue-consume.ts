import { type Command, Option } from 'commander';
import type { Delivery, SubscribeOptions, Subscription } from '../../client/index.js';
import { wholeNumber } from '../arguments.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { addPrintOptions } from '../message-options.js';
import { MessagePrinter, type PrintOptions } from '../message-printer.js';
import { formatDuration, plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';
import { firstOf } from '../waiting.js';

interface QueueConsumeOptions extends PrintOptions {
  readonly ack: 'after' | 'auto' | 'none';
  readonly requeue?: boolean;
  readonly prefetch: number;
  readonly count?: number;
  readonly follow?: boolean;
}

/** Silence after which the queue is asked whether anything is left, in milliseconds. */
const IDLE_MS = 200;
/** Deliveries that are handled in one go. */
const BATCH_MESSAGES = 1024;
/** Messages that can be looked at without taking any: the node holds them all as unacknowledged meanwhile. */
const LOOK_AT_MOST = 10_000;

/** `duolog queue consume`: takes messages out of a queue and prints them. */
export function addQueueConsume(parent: Command, terminal: Terminal): void {
  const command = parent
    .command('consume')
    .summary('take messages out of a queue and print them')
    .description('Take messages out of a queue and print them, until none is ready, or with --follow for ever.')
    .argument('<queue>')
    .addOption(
      new Option(
        '-a, --ack <when>',
        'after = once printed; auto = as it is sent; none = look only, all go back at the end',
      )
        .choices(['after', 'auto', 'none'])
        .default('after'),
    )
    .addOption(
      new Option('--requeue', 'short for --ack none: look at messages and leave them in the queue').implies({
        ack: 'none',
      }),
    )
    .addOption(
      new Option('--prefetch <count>', 'deliveries that may be unacknowledged at once')
        .argParser(wholeNumber(1, 65_535))
        .default(256),
    )
    .addOption(new Option('-n, --count <number>', 'stop after so many messages').argParser(wholeNumber(1)))
    .option('-f, --follow', 'wait for more messages; Ctrl-C ends');
  addPrintOptions(command).action(nodeAction(terminal, consume));
}

async function consume(session: NodeSession<QueueConsumeOptions>, queue: string): Promise<void> {
  const { client, output, options, interrupted } = session;
  const printer = new MessagePrinter(output, queue, options);
  const limit = options.count ?? Number.POSITIVE_INFINITY;
  const how = subscribeOptions(options, limit);
  const isAutomatic = how.ack === 'auto';
  const subscription = await client.subscribe(queue, how);
  const startedMs = performance.now();
  try {
    for await (const batch of batchesOf(session, subscription, limit)) {
      if (options.ack === 'auto' && !isAutomatic) acknowledge(batch);
      for (const delivery of batch) if (printer.print(delivery)) await printer.flush();
      await printer.flush();
      // Only what has left this process is acknowledged: what a broken pipe has swallowed comes again.
      if (options.ack === 'after') {
        lowerPrefetch(subscription, limit - printer.count);
        acknowledge(batch);
      }
    }
  } finally {
    await printer.end();
    await subscription.close();
    const verb = options.ack === 'none' ? 'Looked at' : 'Consumed';
    const took = formatDuration(performance.now() - startedMs);
    output.note(`${verb} ${plural(printer.count, 'message')} of queue ${queue} in ${took}`);
  }
  interrupted.throwIfAborted();
}

/** Automatic acknowledgement loses what arrives and is not wanted any more, so a limited run acknowledges by itself on arrival. */
function subscribeOptions({ ack, prefetch }: QueueConsumeOptions, limit: number): SubscribeOptions {
  if (ack === 'none') return { prefetch: Math.min(LOOK_AT_MOST, limit) };
  if (ack === 'auto' && limit === Number.POSITIVE_INFINITY) return { prefetch, ack: 'auto' };
  return { prefetch: Math.min(prefetch, limit) };
}

/** When only `left` more messages are wanted, the node need not send others. */
function lowerPrefetch(subscription: Subscription, left: number): void {
  if (left < subscription.prefetch) subscription.setPrefetch(Math.max(1, left));
}

function acknowledge(batch: readonly Delivery[]): void {
  for (const delivery of batch) delivery.ack();
}

/** What has arrived, as much at a time as there is, up to `limit`; ends when the queue is empty, unless it is followed. */
async function* batchesOf(
  session: NodeSession<QueueConsumeOptions>,
  subscription: Subscription,
  limit: number,
): AsyncGenerator<Delivery[]> {
  const { options, interrupted } = session;
  const iterator = subscription[Symbol.asyncIterator]();
  let pending = iterator.next();
  let count = 0;
  while (!interrupted.aborted) {
    const next = await firstOf(pending, options.follow === true ? undefined : IDLE_MS, interrupted);
    if (next === 'aborted' || (next === 'idle' && (await isDrained(session, subscription, count)))) return;
    if (next === 'idle') continue;
    if (next.done === true) return;
    const batch = [next.value];
    for (let more = room(batch, count, limit) ? subscription.take() : undefined; more !== undefined; ) {
      batch.push(more);
      more = room(batch, count, limit) ? subscription.take() : undefined;
    }
    count += batch.length;
    yield batch;
    if (count >= limit) return;
    pending = iterator.next();
  }
}

function room(batch: readonly Delivery[], count: number, limit: number): boolean {
  return batch.length < BATCH_MESSAGES && count + batch.length < limit;
}

/** Whether nothing will come without somebody publishing: none is ready, or all that may be unacknowledged at once is. */
async function isDrained(
  { client, options, interrupted }: NodeSession<QueueConsumeOptions>,
  subscription: Subscription,
  count: number,
): Promise<boolean> {
  if (options.ack === 'none' && count >= subscription.prefetch) return true;
  const { messagesReady } = await client.describe(subscription.queue, { signal: interrupted });
  return messagesReady === 0;
}
