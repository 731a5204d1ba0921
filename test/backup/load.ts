/** Clients that keep a node busy, and note what they are promised. */
import { type Client, connect, type Delivery } from '../../dist/client/index.js';
import { RawConnection } from '../amqp/fixtures/raw-connection.js';
import type { Ledger } from './ledger.js';

const BATCH = 40;
const PADDING = 'x'.repeat(200);

/** A load that runs. */
export interface Load {
  /** Ends it; what is under way is awaited. */
  stop(): Promise<void>;
}

/** Declares what the load uses. */
export async function declare(client: Client): Promise<void> {
  await client.declareTopic('events', { partitions: 4, retentionMs: -1, segmentBytes: 64 * 1024 });
  for (const queue of ['work', 'from', 'to', 'left', 'right']) await client.declareQueue(queue, { autoDelete: false });
  await client.declareExchange('logs', { type: 'topic' });
  await client.bind({ source: 'logs', queue: 'work', routingKey: 'work.#' });
}

/** Starts it. */
export async function startLoad(url: string, amqpPort: number, ledger: Ledger): Promise<Load> {
  const clients = await Promise.all([connect(url), connect(url), connect(url)]);
  const raw = await RawConnection.open(amqpPort);
  await raw.selectTransactions();
  let isStopping = false;
  let next = 0;
  const again = async (step: () => Promise<void>): Promise<void> => {
    while (!isStopping) await step();
  };
  const ids = (): string[] => Array.from({ length: BATCH }, () => `${next++}:${PADDING}`);
  const publishTo = async (name: string, promised: Set<string>): Promise<void> => {
    const texts = ids();
    await clients[0]!.publish(name, texts, { durability: 'disk' });
    for (const id of texts) promised.add(id);
  };
  const toTopic = async (): Promise<void> => {
    const texts = ids();
    const receipts = await clients[0]!.publish(
      'events',
      texts.map((value, index) => ({ key: String(index), value })),
      {
        durability: 'disk',
      },
    );
    for (const [index, { partition, offset }] of receipts.entries()) {
      ledger.topic.set(`${partition}/${offset}`, texts[index]!);
    }
  };
  const transact = async (): Promise<void> => {
    const id = String(next++);
    // Those that are confirmed in memory are whole as well.
    const isPersistent = next % 2 === 0;
    raw.publish('left', id, isPersistent);
    raw.publish('right', id, isPersistent);
    await raw.commit();
    ledger.committed.add(id);
  };
  const worker = await clients[1]!.subscribe('work', { prefetch: 200 });
  const mover = await clients[2]!.subscribe('from', { prefetch: 50 });
  const taking = [takeOutOfOrder(worker, ledger), move(clients[2]!, mover)];
  const running = [
    again(toTopic),
    again(() => publishTo('work', ledger.confirmed)),
    again(() => publishTo('from', ledger.moving)),
    again(transact),
  ];
  return {
    async stop() {
      isStopping = true;
      await Promise.all(running);
      await Promise.all([worker.close(), mover.close()]);
      await Promise.all(taking);
      raw.close();
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}

/** Acknowledges two of three messages, the later ones first. */
async function takeOutOfOrder(deliveries: AsyncIterable<Delivery>, ledger: Ledger): Promise<void> {
  let held: Delivery[] = [];
  const settle = async (delivery: Delivery): Promise<void> => {
    const id = delivery.text();
    ledger.settling.add(id);
    await delivery.ackConfirmed().then(
      () => ledger.acknowledged.add(id),
      () => undefined,
    );
  };
  let count = 0;
  for await (const delivery of deliveries) {
    if (count++ % 3 === 0) {
      // Under way to this consumer for good, up to what its prefetch leaves room for.
      if (count < 400) continue;
      delivery.nack();
      continue;
    }
    held.push(delivery);
    if (held.length < 10) continue;
    await Promise.all(held.reverse().map(settle));
    held = [];
  }
}

async function move(client: Client, deliveries: AsyncIterable<Delivery>): Promise<void> {
  for await (const delivery of deliveries) {
    const id = delivery.text();
    void client.publish('to', id, { durability: 'disk' }).then(
      () => delivery.ack(),
      () => undefined,
    );
  }
}
