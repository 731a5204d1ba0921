// Everything at once: publishers to a topic and to a queue, consumers that acknowledge, readers that fetch by offset.
import { Counter, Trend } from 'k6/metrics';
import {
  consumeQueue,
  declareAll,
  keepPublishing,
  noErrors,
  publishAtRate,
  runSession,
  SECONDS,
  scenario,
  summaryTrendStats,
} from './session.js';

const PARTITIONS = 4;
const consumed = new Counter('messages_consumed');
const fetchedBytes = new Counter('bytes_fetched');
const confirms = new Trend('confirm_ms');
const endToEnd = new Trend('end_to_end_ms');
const fetches = new Trend('fetch_ms');

export const options = {
  scenarios: {
    publishers: scenario(3, 'publish'),
    queuePublisher: scenario(1, 'publishToQueue'),
    consumers: scenario(3, 'consume'),
    readers: scenario(3, 'read'),
  },
  thresholds: {
    ...noErrors,
    confirm_ms: ['p(95)<500'],
    end_to_end_ms: ['p(95)<500'],
    messages_consumed: [`count>${200 * (SECONDS - 2)}`],
    bytes_fetched: ['count>0'],
  },
  summaryTrendStats,
};

export const setup = () =>
  declareAll([{ topic: { name: 'k6-mixed', partitions: PARTITIONS } }, { queue: { name: 'k6-mixed-queue' } }]);

export const publish = () =>
  keepPublishing({
    to: 'k6-mixed',
    window: 4,
    count: 10,
    bytes: 1024,
    durability: 2,
    onConfirm: (latency) => confirms.add(latency),
  });

export const publishToQueue = () => publishAtRate({ to: 'k6-mixed-queue', perSecond: 200, bytes: 100, durability: 2 });

export const consume = () =>
  consumeQueue({
    from: 'k6-mixed-queue',
    credit: 100,
    onMessage: (milliseconds) => {
      consumed.add(1);
      endToEnd.add(milliseconds);
    },
  });

/** Reads all partitions from their beginning, one fetch after the other. */
export function read() {
  const positions = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, offset: 0 }));
  const ask = (session) => {
    const sent = Date.now();
    session.request(
      { fetch: { from: 'k6-mixed', partitions: positions, maxBytes: 65_536, maxWaitMs: 200, minBytes: 1 } },
      (frame) => {
        fetches.add(Date.now() - sent);
        for (const { records } of frame.fetched.partitions) {
          positions[records.partition || 0].offset = records.nextOffset;
          fetchedBytes.add(records.batches ? records.batches.length : 0);
        }
        ask(session);
      },
    );
  };
  runSession(ask);
}
