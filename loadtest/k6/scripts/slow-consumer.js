// Consumers that take 300 ms for each delivery, beside one that is quick on a queue of its own: the quick one must not feel them.
import { Counter, Trend } from 'k6/metrics';
import { consumeQueue, declareAll, noErrors, publishAtRate, SECONDS, scenario, summaryTrendStats } from './session.js';

const PER_SECOND = 300;
const quickConsumed = new Counter('quick_consumed');
const slowConsumed = new Counter('slow_consumed');
const quick = new Trend('quick_end_to_end_ms');

export const options = {
  scenarios: {
    slowConsumers: scenario(30, 'consumeSlowly'),
    slowPublisher: scenario(1, 'publishToSlow'),
    quickConsumer: scenario(1, 'consume'),
    quickPublisher: scenario(1, 'publish'),
  },
  thresholds: {
    ...noErrors,
    quick_end_to_end_ms: ['p(95)<250'],
    quick_consumed: [`count>${PER_SECOND * (SECONDS - 2)}`],
    slow_consumed: ['count>0'],
  },
  summaryTrendStats,
};

export const setup = () => declareAll([{ queue: { name: 'k6-slow' } }, { queue: { name: 'k6-quick' } }]);

export const consumeSlowly = () =>
  consumeQueue({ from: 'k6-slow', credit: 1, waitMs: 300, onMessage: () => slowConsumed.add(1) });

export const consume = () =>
  consumeQueue({
    from: 'k6-quick',
    credit: 100,
    onMessage: (milliseconds) => {
      quickConsumed.add(1);
      quick.add(milliseconds);
    },
  });

export const publishToSlow = () => publishAtRate({ to: 'k6-slow', perSecond: 500, bytes: 1024, durability: 1 });
export const publish = () => publishAtRate({ to: 'k6-quick', perSecond: PER_SECOND, bytes: 100, durability: 1 });
