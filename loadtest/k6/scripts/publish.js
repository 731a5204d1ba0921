// Ten publishers keep batches of ten messages of 100 B under way, half of them confirmed on disk, half in memory.
import { Counter, Trend } from 'k6/metrics';
import { declareAll, keepPublishing, noErrors, scenario, summaryTrendStats } from './session.js';

const confirmed = new Counter('messages_confirmed');
const latency = { 1: new Trend('confirm_memory_ms'), 2: new Trend('confirm_disk_ms') };

export const options = {
  scenarios: { memory: scenario(5, 'memory'), disk: scenario(5, 'disk') },
  thresholds: {
    ...noErrors,
    confirm_memory_ms: ['p(95)<250'],
    confirm_disk_ms: ['p(95)<250'],
    messages_confirmed: ['count>1000'],
  },
  summaryTrendStats,
};

export const setup = () => declareAll([{ topic: { name: 'k6-publish', partitions: 4 } }]);

const run = (durability) =>
  keepPublishing({
    to: 'k6-publish',
    window: 5,
    count: 10,
    bytes: 100,
    durability,
    onConfirm: (milliseconds, count) => {
      latency[durability].add(milliseconds);
      confirmed.add(count);
    },
  });

export const memory = () => run(1);
export const disk = () => run(2);
