// Nanoseconds of CPU per route, with few bindings and with many. Runs on what `npm run build` made:
//
//     node loadtest/micro/routing.mjs [ROUNDS]
//
// Figures are the median of ROUNDS (default 7) rounds after two to warm up. "uncached" replaces a queue before every route, less what
// that alone takes, so that the route is found in the bindings; "cached" publishes to keys of the same set again. Every column uses
// as many different keys as the first, spread over all bindings, since what the processor's caches hold is a matter of keys, not of bindings;
// "all keys" goes through the keys of all bindings. Ends with status 1 when a cost more than doubles from the fewest bindings to the most.
import { built } from '../harness/built.mjs';

const { Router } = await built('broker/routing/router.js');
const { EMPTY_PROPERTIES, encodeProperties } = await built('record/amqp/properties.js');

const rounds = Number(process.argv[2] ?? 7);
const ROUTES = 100_000;
const SIZES = [10, 10_000, 100_000];
const NO_ARGUMENTS = new Uint8Array(0);

/** How keys and patterns of binding number `index` look. */
const KINDS = {
  direct: { exchange: 'amq.direct', pattern: (index) => `order.${index}`, key: (index) => `order.${index}` },
  // Words of the beginning are shared, as names of places and kinds are.
  topic: {
    exchange: 'amq.topic',
    pattern: (index) => `shop${index % 100}.order.${index}.created`,
    key: (index) => `shop${index % 100}.order.${index}.created`,
  },
  wildcards: {
    exchange: 'amq.topic',
    pattern: (index) => `shop${index % 100}.*.${index}.#`,
    key: (index) => `shop${index % 100}.order.${index}.created`,
  },
};

function binding(source, destination, routingKey) {
  return { source, destination, destinationKind: 'queue', routingKey, arguments: NO_ARGUMENTS };
}

/** A router with `count` bindings to as many queues. */
function routerWith({ exchange, pattern }, count) {
  const topics = new Map();
  for (let index = 0; index < count; index++) topics.set(`queue-${index}`, { name: `queue-${index}` });
  const router = new Router((_vhost, name) => topics.get(name));
  for (let index = 0; index < count; index++) router.bound('/', binding(exchange, `queue-${index}`, pattern(index)));
  return router;
}

function median(work) {
  const times = [];
  for (let round = -2; round < rounds; round++) {
    const started = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(started);
    if (round >= 0) times.push(((user + system) * 1000) / ROUTES);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

/** Keys of `different` bindings out of `count`, spread over all of them. */
function keysOf({ key }, count, different) {
  const keys = [];
  for (let index = 0; index < different; index++) keys.push(key(Math.floor((index * count) / different)));
  return keys;
}

function routeAll(router, exchange, keys, between, properties = EMPTY_PROPERTIES) {
  let found = 0;
  for (let index = 0; index < ROUTES; index++) {
    between();
    found += router.route('/', exchange, keys[index % keys.length], properties).topics.length;
  }
  if (found !== ROUTES) throw new Error(`${ROUTES} messages went to ${found} queues`);
}

/** Says that a queue with bindings was replaced, which makes every route outdated. */
function outdate(router) {
  return () => router.topicChanged('/', 'queue-0');
}

function measure(kind) {
  const { exchange } = kind;
  const figures = { cached: [], uncached: [], 'cached, all keys': [], 'uncached, all keys': [] };
  for (const count of SIZES) {
    const router = routerWith(kind, count);
    const invalidate = outdate(router);
    const change = median(() => {
      for (let index = 0; index < ROUTES; index++) invalidate();
    });
    for (const [suffix, keys] of [
      ['', keysOf(kind, count, SIZES[0])],
      [', all keys', keysOf(kind, count, count)],
    ]) {
      figures[`cached${suffix}`].push(median(() => routeAll(router, exchange, keys, () => {})));
      figures[`uncached${suffix}`].push(median(() => routeAll(router, exchange, keys, invalidate)) - change);
    }
  }
  return figures;
}

function print(name, figures) {
  const growth = figures[figures.length - 1] / figures[0];
  const columns = figures.map((figure) => `${figure.toFixed(0).padStart(9)} ns`).join('');
  console.log(`${name.padEnd(30)}${columns}${growth.toFixed(2).padStart(9)}x`);
  return growth;
}

console.log(`${'bindings'.padEnd(30)}${SIZES.map((size) => String(size).padStart(12)).join('')}    growth`);
let worst = 0;
for (const [name, kind] of Object.entries(KINDS)) {
  for (const [how, figures] of Object.entries(measure(kind))) {
    const growth = print(`${name}, ${how}`, figures);
    if (!how.includes('all keys')) worst = Math.max(worst, growth);
  }
}

/** What headers cost: those of a message are passed over to look for CC and BCC. */
const text = (value) => ({ type: 'longstr', value: new TextEncoder().encode(value) });
const headers = new Map([1, 2, 3, 4, 5].map((number) => [`header-${number}`, text(`value ${number}`)]));
const withHeaders = encodeProperties({ contentType: 'application/json', deliveryMode: 2, headers });
const router = routerWith(KINDS.direct, 10);
const keys = keysOf(KINDS.direct, 10, 10);
print('direct, cached, five headers', [median(() => routeAll(router, 'amq.direct', keys, () => {}, withHeaders))]);

if (worst > 2) {
  console.error(`The cost grew ${worst.toFixed(2)} times with the number of bindings: at most 2 are allowed`);
  process.exitCode = 1;
}
