// One publisher at a fixed rate; four consumers share its queue and acknowledge every message.
import { Counter, Trend } from 'k6/metrics';
import { consumeQueue, declareAll, noErrors, publishAtRate, SECONDS, scenario, summaryTrendStats } from './session.js';

const PER_SECOND = 1000;
const consumed = new Counter('messages_consumed');
const endToEnd = new Trend('end_to_end_ms');

export const options = {
  scenarios: { consumers: scenario(4, 'consume'), publisher: scenario(1, 'publish') },
  thresholds: {
    ...noErrors,
    end_to_end_ms: ['p(95)<250'],
    messages_consumed: [`count>${PER_SECOND * (SECONDS - 2)}`],
  },
  summaryTrendStats,
};

export const setup = () => declareAll([{ queue: { name: 'k6-subscribe' } }]);

export const consume = () =>
  consumeQueue({
    from: 'k6-subscribe',
    credit: 200,
    onMessage: (milliseconds) => {
      consumed.add(1);
      endToEnd.add(milliseconds);
    },
  });

export const publish = () => publishAtRate({ to: 'k6-subscribe', perSecond: PER_SECOND, bytes: 100, durability: 2 });
