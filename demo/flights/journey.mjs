// The flights' way through a node: in by one producer, out by offset, and out again through the queue's consumers. One log holds them all the time.
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../dist/client/index.js';
import { Totals } from './totals.mjs';

const partitions = 4;
const lookAtQueueMs = 25;
/** How long the queue may stand still before that is an error. */
const stillstandMs = 10_000;

/**
 * @typedef {import('./dataset.mjs').Flight} Flight
 * @typedef {import('../../dist/client/index.js').Client} Client
 * @typedef {(done: number) => void} Told
 * @typedef {{ verb: string, rows: number, seconds: number, totals?: Totals, shares?: number[] }} Leg
 */

/**
 * Carries `flights` through the queue `queue`, which it declares on the node at `url`. `begin` is called before each leg and returns whom to tell
 * how many flights are done. Rejects when the node fails or `signal` is aborted.
 * @param {{ url: string, queue: string, flights: Flight[], consumers: number, begin: (verb: string) => Told, signal: AbortSignal }} journey
 * @returns {Promise<{ published: Leg, pulled: Leg, consumed: Leg }>}
 */
export async function carry({ url, queue, flights, consumers, begin, signal }) {
  /** @type {Client[]} */
  const clients = [];
  const join = async () => {
    const client = await connect(url, { clientName: 'demo', signal });
    clients.push(client);
    return client;
  };
  const leave = () => Promise.all(clients.map((client) => client.close()));
  const interrupted = () => void leave();
  signal.addEventListener('abort', interrupted);
  try {
    const client = await join();
    await client.declareQueue(queue, { partitions });
    const published = await timed('Published', (told) => publish(client, queue, flights, told), begin);
    const pulled = await timed('Pulled', (told) => pull(client, queue, told), begin);
    const others = await Promise.all(Array.from({ length: consumers }, join));
    const consumed = await timed('Consumed', (told) => consume(client, others, queue, told, signal), begin);
    return { published, pulled, consumed };
  } finally {
    signal.removeEventListener('abort', interrupted);
    await leave();
    signal.throwIfAborted();
  }
}

/**
 * @template {{ rows: number }} Result
 * @param {string} verb
 * @param {(told: Told) => Promise<Result>} work
 * @param {(verb: string) => Told} begin
 */
async function timed(verb, work, begin) {
  const told = begin(verb);
  const started = performance.now();
  const result = await work(told);
  return { ...result, verb, seconds: (performance.now() - started) / 1000 };
}

/**
 * Publishes each flight with its distance as the key; done when the node has confirmed that all are on disk.
 * @param {Client} client
 * @param {string} queue
 * @param {Flight[]} flights
 * @param {Told} told
 */
async function publish(client, queue, flights, told) {
  const producer = client.producer({ to: queue, durability: 'disk', maxBufferedBytes: 4 * 1024 * 1024 });
  let rows = 0;
  for (const flight of flights) {
    const hasRoom = producer.enqueue({ key: String(flight.distance), value: JSON.stringify(flight) });
    rows += 1;
    if (hasRoom) continue;
    told(rows);
    await producer.ready();
  }
  await producer.flush();
  told(rows);
  return { rows };
}

/**
 * Reads every partition by offset, from its beginning to the end that it has now.
 * @param {Client} client
 * @param {string} queue
 * @param {Told} told
 */
async function pull(client, queue, told) {
  const ends = await client.listOffsets(queue, 'end');
  const totals = new Totals();
  let rows = 0;
  const reader = client.reader(queue, { maxBytes: 1024 * 1024 });
  const left = new Set(ends.filter(({ offset }) => (offset ?? 0) > 0).map(({ partition }) => partition));
  if (left.size === 0) return { rows, totals };
  for await (const { partition, records, nextOffset } of reader.batches()) {
    for (const record of records) totals.add(record.json());
    rows += records.length;
    told(rows);
    const end = ends.find((one) => one.partition === partition)?.offset ?? 0;
    if (nextOffset >= end) left.delete(partition);
    if (left.size === 0) break;
  }
  reader.close();
  return { rows, totals };
}

/**
 * Empties the queue with competing consumers, each on a connection of its own; every message is acknowledged by itself. What came twice counts twice.
 * @param {Client} observer
 * @param {Client[]} clients
 * @param {string} queue
 * @param {Told} told
 * @param {AbortSignal} signal
 */
async function consume(observer, clients, queue, told, signal) {
  const totals = new Totals();
  const shares = clients.map(() => 0);
  let rows = 0;
  const subscriptions = await Promise.all(clients.map((client) => client.subscribe(queue, { prefetch: 1000 })));
  const work = subscriptions.map(async (subscription, index) => {
    for await (const delivery of subscription) {
      totals.add(delivery.json());
      delivery.ack();
      shares[index] = (shares[index] ?? 0) + 1;
      rows += 1;
      told(rows);
    }
  });
  try {
    await untilEmpty(observer, queue, () => rows, signal);
  } finally {
    await Promise.all(subscriptions.map((subscription) => subscription.close()));
  }
  await Promise.all(work);
  return { rows, totals, shares };
}

/**
 * Resolves when the node says that nothing is ready and nothing unacknowledged.
 * @param {Client} client
 * @param {string} queue
 * @param {() => number} taken
 * @param {AbortSignal} signal
 */
async function untilEmpty(client, queue, taken, signal) {
  let before = -1;
  let movedMs = performance.now();
  for (;;) {
    const { messagesReady, messagesUnacknowledged } = await client.describe(queue);
    if (messagesReady + messagesUnacknowledged === 0) return;
    if (taken() !== before) {
      before = taken();
      movedMs = performance.now();
    } else if (performance.now() - movedMs > stillstandMs) {
      throw new Error(
        `The queue "${queue}" stands still with ${messagesReady} ready and ${messagesUnacknowledged} unacknowledged messages`,
      );
    }
    await sleep(lookAtQueueMs, undefined, { signal });
  }
}
