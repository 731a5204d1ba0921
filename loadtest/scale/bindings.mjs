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

/** How keys of a kind of exchange are bound and published. With `fresh` every message has a routing key that was never seen. */
const kinds = {
  direct: { binding: (index) => `key-${index}`, key: (index) => `key-${index}` },
  topic: { binding: (index) => `area-${index}.*.end`, key: (index, serial) => `area-${index}.m${serial}.end` },
};

async function build(load, kind, exchange, bindings) {
  await load.call(1, exchangeDeclare(1, exchange, kind));
  await askAll(load, CHANNELS, bindings, (channel, index) =>
    queueBind(channel, QUEUE, exchange, kinds[kind].binding(index)),
  );
}

export async function bindings(checks, { shards, bindings: many, sample }) {
  const node = await startAmqpNode(shards);
  const load = await AmqpLoad.open(node.amqpPort, CHANNELS);
  // What is routed is thrown away at once: the queue keeps one message.
  await load.call(1, queueDeclare(1, QUEUE, { durable: true, table: tableOf({ 'x-max-length': 1 }) }));
  const startedMs = performance.now();
  for (const kind of Object.keys(kinds)) {
    await build(load, kind, `${kind}-few`, FEW);
    await build(load, kind, `${kind}-many`, many);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  checks.add('bindings: bound a second', number((2 * many) / seconds), '');
  await load.confirmSelect(1);
  const transient = properties({});
  const body = Buffer.alloc(12);
  let serial = 0;
  for (const kind of Object.keys(kinds)) {
    const micros = { few: [], many: [] };
    const rates = { few: [], many: [] };
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [size, count] of [
        ['few', FEW],
        ['many', many],
      ]) {
        const before = node.cpuSeconds();
        const beganMs = performance.now();
        await load.publish(sample, () =>
          publishBytes(1, `${kind}-${size}`, kinds[kind].key((serial * 7919) % count, serial++), transient, body),
        );
        // The first round warms up.
        if (round === 0) continue;
        rates[size].push((sample * 1000) / (performance.now() - beganMs));
        micros[size].push(((node.cpuSeconds() - before) * 1e6) / sample);
      }
    }
    const [few, lots] = [median(micros.few), median(micros.many)];
    checks.add(
      `bindings: ${kind}, CPU time of the node per message`,
      `${short(lots)} µs with ${number(many)}, ${short(few)} µs with ${FEW}`,
      `≤ ${MAX_RATIO} ×`,
      lots <= MAX_RATIO * few,
    );
    const [fewRate, manyRate] = [median(rates.few), median(rates.many)];
    checks.add(
      `bindings: ${kind}, messages a second`,
      `${number(manyRate)} with ${number(many)}, ${number(fewRate)} with ${FEW}`,
      `≥ 1/${MAX_RATIO}`,
      manyRate * MAX_RATIO >= fewRate,
    );
  }
  load.destroy();
  await node.remove();
}
