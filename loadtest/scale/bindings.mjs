// 100,000 bindings of one exchange against 10: what routing a message costs.
import { median } from '../harness/measures.mjs';
import { number, short } from '../harness/tables.mjs';
import { AmqpLoad, exchangeDeclare, properties, publishBytes, queueBind, queueDeclare, tableOf } from './amqp-load.mjs';
import { startAmqpNode } from './node.mjs';
import { askAll } from './queues.mjs';

const FEW = 10;
const CHANNELS = 500;
const ROUNDS = 5;
const MAX_RATIO = 2;
const QUEUE = 'bound';

/**
 * How a kind of exchange is bound, and what is published to meet binding `index`: `serial` counts all messages. Topic keys were never seen before. A fanout
 * exchange has all of its bindings lead to the one queue: a message reaches it once, whatever their number.
 */
const kinds = {
  direct: { key: (index) => `key-${index}` },
  topic: { key: (index) => `area-${index}.*.end`, published: (index, serial) => `area-${index}.m${serial}.end` },
  fanout: { key: (index) => `key-${index}` },
  headers: {
    key: () => '',
    table: (index) => tableOf({ 'x-match': 'all', region: 'here', number: `number-${index}` }),
    headers: (index) => tableOf({ region: 'here', number: `number-${index}` }),
  },
};

/** Exchanges and what of their bindings is met: the few of a small one, all of a large one in no order, a few of a large one. */
const series = (many) => [
  { name: 'few', size: FEW, met: FEW },
  { name: 'many', size: many, met: many },
  { name: 'hot', size: many, met: FEW },
];

async function build(load, kind, exchange, bindings) {
  await load.call(1, exchangeDeclare(1, exchange, kind));
  await askAll(load, CHANNELS, bindings, (channel, index) =>
    queueBind(channel, QUEUE, exchange, kinds[kind].key(index), kinds[kind].table?.(index)),
  );
}

/** Messages that meet bindings of one exchange. */
function maker(kind, { size, met }) {
  const { key, published = key, headers } = kinds[kind];
  const exchange = `${kind}-${size}`;
  const plain = properties({});
  const body = Buffer.alloc(12);
  let serial = 0;
  return () => {
    const index = (serial * 7919) % met;
    const own = headers === undefined ? plain : properties({ headers: headers(index) });
    return publishBytes(1, exchange, published(index, serial++), own, body);
  };
}

/** Median CPU time of the node per message in µs, and messages a second, of each series in turn. */
async function measure(node, load, kind, { many, sample }) {
  const all = series(many).map((one) => ({ ...one, make: maker(kind, one), micros: [], rates: [] }));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { make, micros, rates } of all) {
      const before = node.cpuSeconds();
      const beganMs = performance.now();
      await load.publish(sample, make);
      // The first round warms up.
      if (round === 0) continue;
      rates.push((sample * 1000) / (performance.now() - beganMs));
      micros.push(((node.cpuSeconds() - before) * 1e6) / sample);
    }
  }
  return Object.fromEntries(
    all.map(({ name, micros, rates }) => [name, { micros: median(micros), rate: median(rates) }]),
  );
}

export async function bindings(checks, { shards, bindings: many, sample }) {
  const node = await startAmqpNode(shards);
  const load = await AmqpLoad.open(node.amqpPort, CHANNELS);
  // What is routed is thrown away at once: the queue keeps one message.
  await load.call(1, queueDeclare(1, QUEUE, { durable: true, table: tableOf({ 'x-max-length': 1 }) }));
  const startedMs = performance.now();
  for (const kind of Object.keys(kinds))
    for (const size of [FEW, many]) await build(load, kind, `${kind}-${size}`, size);
  const seconds = (performance.now() - startedMs) / 1000;
  checks.add('bindings: bound a second', number((Object.keys(kinds).length * many) / seconds), '');
  await load.confirmSelect(1);
  for (const kind of Object.keys(kinds)) {
    const { few, ...others } = await measure(node, load, kind, { many, sample });
    for (const [name, { micros, rate }] of Object.entries(others)) {
      const which = name === 'many' ? 'each of them met' : `${FEW} of them met`;
      checks.add(
        `bindings: ${kind}, ${which}: CPU time of the node per message`,
        `${short(micros)} µs with ${number(many)}, ${short(few.micros)} µs with ${FEW}`,
        `≤ ${MAX_RATIO} ×`,
        micros <= MAX_RATIO * few.micros,
      );
      checks.add(
        `bindings: ${kind}, ${which}: messages a second`,
        `${number(rate)} with ${number(many)}, ${number(few.rate)} with ${FEW}`,
        `≥ 1/${MAX_RATIO}`,
        rate * MAX_RATIO >= few.rate,
      );
    }
  }
  load.destroy();
  await node.remove();
}
