/** What clients were promised, and what a node shows of it. */
import { connect, type Delivery } from '../../dist/client/index.js';

/** How long a queue may take to give what it says it has. */
const DRAIN_MS = 20_000;

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

const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Reads everything that a node has; takes the messages out of its queues. */
export async function contentOf(url: string): Promise<Content> {
  const client = await connect(url);
  try {
    const topic = new Map<string, string>();
    for (let partition = 0; partition < 4; partition++) {
      for (let offset = 0; ; ) {
        const [fetched] = await client.fetch('events', [{ partition, offset }]);
        if (fetched === undefined || fetched.error !== undefined || fetched.nextOffset === offset) break;
        for (const record of fetched.records) topic.set(`${partition}/${record.offset}`, record.text());
        offset = fetched.nextOffset;
      }
    }
    const drain = async (queue: string): Promise<string[]> => {
      const ids: string[] = [];
      const { messagesReady } = await client.describe(queue);
      const subscription = await client.subscribe(queue, { prefetch: 1000 });
      const sinceMs = Date.now();
      void (async () => {
        for await (const delivery of subscription as AsyncIterable<Delivery>) {
          ids.push(delivery.text());
          delivery.ack();
        }
      })();
      while (ids.length < messagesReady && Date.now() - sinceMs < DRAIN_MS) await pause();
      // What comes beyond that is a defect, too.
      await pause();
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
    if (ids.length > 0)
      found.push(
        `${what}: ${ids.length}, such as ${ids
          .slice(0, 3)
          .map((id) => id.slice(0, 12))
          .join(', ')}`,
      );
  };
  const { work, from, to, left, right } = queues;
  for (const [name, ids] of Object.entries(queues)) {
    // A move that was cut off between its two steps shows the message in both queues, never twice in one.
    const seen = new Set<string>();
    note(
      `twice in ${name}`,
      ids.filter((id) => seen.size === seen.add(id).size),
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
  const isLeft = new Set(left);
  const isRight = new Set(right);
  note(
    'lost between from and to',
    [...promises.moving].filter((id) => !moved.has(id)),
  );
  note('half a transaction', [...left.filter((id) => !isRight.has(id)), ...right.filter((id) => !isLeft.has(id))]);
  note(
    'lost transactions',
    [...promises.committed].filter((id) => !isLeft.has(id)),
  );
  return found;
}
