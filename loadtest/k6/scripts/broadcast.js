// One publisher, a hundred subscribers that follow its topic live.
import { Counter, Trend } from 'k6/metrics';
import {
  ageMs,
  declareAll,
  firstValueOf,
  noErrors,
  publishAtRate,
  runSession,
  scenario,
  summaryTrendStats,
} from './session.js';

const heard = new Counter('broadcasts_heard');
const missed = new Counter('broadcasts_missed');
const latency = new Trend('broadcast_ms');

export const options = {
  scenarios: { subscribers: scenario(100, 'follow'), publisher: scenario(1, 'publish') },
  thresholds: {
    ...noErrors,
    broadcast_ms: ['p(95)<250'],
    broadcasts_heard: ['count>1000'],
    broadcasts_missed: ['count==0'],
  },
  summaryTrendStats,
};

export const setup = () => declareAll([{ topic: { name: 'k6-broadcast' } }]);

export function follow() {
  runSession(
    (session) =>
      session.request({ subscribe: { subscription: 1, from: 'k6-broadcast', broadcast: { start: { end: true } } } }),
    {
      broadcast: ({ records }) => {
        for (const { batches } of records) {
          heard.add(1);
          latency.add(ageMs(firstValueOf(batches)));
        }
      },
      missed: ({ count }) => missed.add(count),
    },
    1,
  );
}

export const publish = () => publishAtRate({ to: 'k6-broadcast', perSecond: 20, bytes: 128, durability: 1 });
