/** What clients were promised, and what a node shows of it. */
import { connect, type Delivery } from '../../dist/client/index.js';

/** How long a drained queue must be silent. */
const QUIET_MS = 300;

/** Promises at one moment. */
export interface Promises {
  /** Topic messages that were confirmed at disk: id by partition and offset. */
  readonly topic: ReadonlyMap<string, string>;
  /** Messages of `work` that were confirmed, and acknowledgements that were. */
  readonly confirmed: ReadonlySet<string>;
  readonly acknowledged: ReadonlySet<string>;
  /** Messages that were confirmed in `from`. */
  readonly moving: ReadonlySet<string>;
  /** Transactions that were committed: each has a message in `left` and one in `right`. */
  readonly committed: ReadonlySet<string>;
}

/** All promises so far; clients add to it. */
export class Ledger {
  readonly topic = new Map<string, string>();
  readonly confirmed = new Set<string>();
  readonly acknowledged = new Set<string>();
  /** Acknowledgements that were sent, confirmed or not. */
  readonly settling = new Set<string>();
  readonly moving = new Set<string>();
  readonly committed = new Set<string>();

  /** The promises of this moment. */
  now(): Promises {
    const { topic, confirmed, acknowledged, moving, committed } = this;
    return {
      topic: new Map(topic),
      confirmed: new Set(confirmed),
      acknowledged: new Set(acknowledged),
      moving: new Set(moving),
      committed: new Set(committed),
    };
  }
}

/** What a node has. */
export interface Content {
  readonly topic: ReadonlyMap<string, string>;
  readonly queues: Readonly<Record<'work' | 'from' | 'to' | 'left' | 'right', readonly string[]>>;
}

/** Reads everything that a node has; takes the messages out of its queues. */
export async function contentOf(url: string): Promise<Content> {
  const client = await connect(url);
  try {
    const topic = new Map<string, string>();
    for await (const record of client.reader('events', { from: 'beginning' })) {
      topic.set(`${record.partition}/${record.offset}`, record.text());
    }
    const drain = async (queue: string): Promise<string[]> => {
      const ids: string[] = [];
      const subscription = await client.subscribe(queue, { prefetch: 1000 });
      let lastMs = Date.now();
      void (async () => {
        for await (const delivery of subscription as AsyncIterable<Delivery>) {
          ids.push(delivery.text());
          delivery.ack();
          lastMs = Date.now();
        }
      })();
      while (Date.now() - lastMs < QUIET_MS) await new Promise((resolve) => setTimeout(resolve, 20));
      await subscription.close();
      return ids;
    };
    const [work, from, to, left, right] = await Promise.all(['work', 'from', 'to', 'left', 'right'].map(drain));
    return { topic, queues: { work: work!, from: from!, to: to!, left: left!, right: right! } };
  } finally {
    await client.close();
  }
}

/** What is not as it was promised; `settling` were acknowledged by the end, confirmed or not. Empty = all is well. */
export function violations(promises: Promises, { topic, queues }: Content, settling: ReadonlySet<string>): string[] {
  const found: string[] = [];
  const note = (what: string, ids: readonly string[]): void => {
    if (ids.length > 0) found.push(`${what}: ${ids.length}, such as ${ids.slice(0, 3).join(', ')}`);
  };
  const { work, from, to, left, right } = queues;
  for (const [name, ids] of Object.entries(queues)) {
    // A move that was cut off between its two steps shows the message in both queues, never twice in one.
    note(
      `twice in ${name}`,
      ids.filter((id, index) => ids.indexOf(id) !== index),
    );
  }
  note(
    'topic messages not where they were',
    [...promises.topic].filter(([at, id]) => topic.get(at) !== id).map(String),
  );
  const ready = new Set(work);
  note(
    'lost from work',
    [...promises.confirmed].filter((id) => !ready.has(id) && !settling.has(id)),
  );
  note(
    'acknowledged and back in work',
    work.filter((id) => promises.acknowledged.has(id)),
  );
  const moved = new Set([...from, ...to]);
  note(
    'lost between from and to',
    [...promises.moving].filter((id) => !moved.has(id)),
  );
  note('half a transaction', [
    ...left.filter((id) => !right.includes(id)),
    ...right.filter((id) => !left.includes(id)),
  ]);
  note(
    'lost transactions',
    [...promises.committed].filter((id) => !left.includes(id)),
  );
  return found;
}
