import type { Client, DurabilityName, Producer, Receipt } from '../client/index.js';
import type { NodeSession } from './connection.js';
import type { OutgoingMessage } from './message-input.js';
import { noProgress, type Progress } from './progress.js';
import { formatCount, formatDuration, plural } from './quantities.js';
import { writeTo } from './terminal.js';
import { firstOf } from './waiting.js';

/** Messages that may be on their way without a confirm: enough to keep a fast node busy. */
const MAX_UNCONFIRMED = 20_000;

/** What the node takes as one message, in bytes. */
export function maxMessageBytesOf(client: Client): number {
  return client.welcome.limits?.maxMessageBytes ?? Number.MAX_SAFE_INTEGER;
}

/** Options of everything that publishes. */
export interface PublishOptions {
  readonly header?: readonly (readonly [string, Uint8Array])[];
  readonly partition?: number;
  readonly durability?: DurabilityName;
}

/** Counts outcomes, and lets the reader of messages wait while too many are open. */
class Outcomes {
  confirmed = 0;
  failure: { readonly error: unknown } | undefined;
  readonly partitions = new Map<number, { first: number; last: number; count: number }>();
  readonly reached = new Set<string>();
  #open = 0;
  #wake: (() => void) | undefined;

  add(receipt: Promise<Receipt>): void {
    this.#open += 1;
    receipt.then(
      (stored) => this.#stored(stored),
      (error: unknown) => {
        this.failure ??= { error };
        this.#settled();
      },
    );
  }

  get isFull(): boolean {
    return this.#open >= MAX_UNCONFIRMED;
  }

  get isDone(): boolean {
    return this.#open === 0;
  }

  /** Resolves with the next outcome. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #stored({ partition, offset, durability }: Receipt): void {
    this.confirmed += 1;
    this.reached.add(durability);
    const range = this.partitions.get(partition);
    if (range === undefined) this.partitions.set(partition, { first: offset, last: offset, count: 1 });
    else {
      range.first = Math.min(range.first, offset);
      range.last = Math.max(range.last, offset);
      range.count += 1;
    }
    this.#settled();
  }

  #settled(): void {
    this.#open -= 1;
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/**
 * Publishes messages as they come, awaits every confirm, and prints what was stored: a line on stderr for people, an object on stdout for
 * programs. Stops at the first failure, after `limit` messages, or when the user interrupts; what was confirmed by then is said in any case. Returns how many
 * messages were confirmed.
 */
export async function publishAll(
  session: NodeSession<PublishOptions>,
  to: string,
  messages: AsyncIterable<readonly OutgoingMessage[]>,
  limit = Number.POSITIVE_INFINITY,
): Promise<number> {
  const { client, output, options, interrupted } = session;
  const durability = options.durability === undefined ? {} : { durability: options.durability };
  const producer = client.producer({ to, deliveryTimeoutMs: options.timeout, ...durability });
  const outcomes = new Outcomes();
  const total = Number.isFinite(limit) ? limit : undefined;
  // Somebody who types would find the line in the middle of their words.
  const isTyped = output.terminal.stdin.isTTY === true;
  const progress = isTyped ? noProgress : output.progress({ verb: 'Published', total });
  const startedMs = performance.now();
  let hasEnded = false;
  try {
    await sendAll(session, producer, outcomes, limited(untilAborted(messages, interrupted), limit), progress);
    hasEnded = true;
  } finally {
    while (!outcomes.isDone) {
      await outcomes.next();
      progress.update(outcomes.confirmed);
    }
    progress.clear();
    await producer.close().catch(() => undefined);
    // Where nothing was stored, the error says all that there is to say.
    if ((hasEnded && outcomes.failure === undefined) || outcomes.confirmed > 0 || output.format !== 'table')
      await report(session, to, outcomes, performance.now() - startedMs);
  }
  if (outcomes.failure !== undefined) throw outcomes.failure.error;
  interrupted.throwIfAborted();
  return outcomes.confirmed;
}

async function sendAll(
  { options }: NodeSession<PublishOptions>,
  producer: Producer,
  outcomes: Outcomes,
  messages: AsyncIterable<readonly OutgoingMessage[]>,
  progress: Progress,
): Promise<void> {
  const place = options.partition === undefined ? {} : { partition: options.partition };
  for await (const some of messages) {
    for (const message of some) {
      outcomes.add(producer.send({ ...message, ...place }));
      while (outcomes.isFull && outcomes.failure === undefined) {
        await outcomes.next();
        progress.update(outcomes.confirmed);
      }
      if (outcomes.failure !== undefined) return;
    }
    await producer.ready();
    progress.update(outcomes.confirmed);
  }
}

/** The messages until the signal fires: a source that waits for input must not keep a command from ending. */
async function* untilAborted<Item>(items: AsyncIterable<Item>, signal: AbortSignal): AsyncGenerator<Item> {
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    const next = await firstOf(iterator.next(), undefined, signal);
    if (next === 'aborted' || next === 'idle' || next.done === true) return;
    yield next.value;
  }
}

/** The first `limit` messages; nothing is read beyond the piece of input that they end in. */
async function* limited(
  messages: AsyncIterable<readonly OutgoingMessage[]>,
  limit: number,
): AsyncGenerator<readonly OutgoingMessage[]> {
  let left = limit;
  for await (const some of messages) {
    yield some.length <= left ? some : some.slice(0, left);
    left -= some.length;
    if (left <= 0) return;
  }
}

async function report(
  { output }: NodeSession<PublishOptions>,
  to: string,
  outcomes: Outcomes,
  tookMs: number,
): Promise<void> {
  const { confirmed, partitions, reached } = outcomes;
  if (output.format !== 'table') {
    const ranges = [...partitions].sort(([a], [b]) => a - b);
    const ofPartitions = ranges.map(([partition, { first, last, count }]) => ({ partition, first, last, count }));
    const result = { to, published: confirmed, durability: [...reached], partitions: ofPartitions };
    await writeTo(output.terminal.stdout, `${JSON.stringify(result)}\n`);
    return;
  }
  const level = reached.size === 0 ? '' : `, confirmed at ${[...reached].join(' and ')}`;
  const rate = confirmed >= 1000 ? ` (${formatCount((confirmed / tookMs) * 1000)}/s)` : '';
  output.note(`Published ${plural(confirmed, 'message')} to ${to} in ${formatDuration(tookMs)}${rate}${level}`);
}
