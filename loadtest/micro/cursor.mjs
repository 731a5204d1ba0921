// Nanoseconds of CPU per message for the queue cursor, and its memory under a deep queue. Runs on what `npm run build` made:
//
//     node --expose-gc loadtest/micro/cursor.mjs [ROUNDS] [DEPTH]
//
// Figures are the median of ROUNDS (default 7) rounds after two to warm up. DEPTH is the number of waiting messages, ten million by default.
const dist = process.env.DUOLOG_DIST ?? new URL('../../dist/', import.meta.url).href;
/** Imports a built file: found at run time, so that nothing here depends on a build. */
const built = (path) => import(new URL(path, dist).href);

const { QueueCursor } = await built('broker/cursor/queue-cursor.js');

const rounds = Number(process.argv[2] ?? 7);
const depth = Number(process.argv[3] ?? 10_000_000);
const MESSAGES = 600_000;
const ACKNOWLEDGE = 0;
const REQUEUE = 1;
let changeBytes = 0;

/** One turn's end, with a journal that is durable at once. */
function commit(cursor) {
  for (let change = cursor.takeChange(); change !== undefined; change = cursor.takeChange()) {
    changeBytes += change.bytes.length;
    if (change.lease >= 0) cursor.leaseDurable(change.lease);
  }
}

function measure(name, operations, work) {
  const times = [];
  for (let round = -2; round < rounds; round++) {
    changeBytes = 0;
    const started = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(started);
    if (round >= 0) times.push(((user + system) * 1000) / operations);
  }
  times.sort((a, b) => a - b);
  const median = times[times.length >> 1].toFixed(0).padStart(5);
  console.log(`${name.padEnd(66)} ${median} ns  ${(changeBytes / operations).toFixed(2)} B journaled per message`);
}

/** Turns of `perTurn` deliveries to `consumers` in turn; `order` puts a turn's deliveries into the order of their acknowledgements. */
function run(base, consumers, perTurn, order) {
  const cursor = new QueueCursor();
  cursor.startAt(base, base, 0);
  cursor.appended(base, MESSAGES);
  cursor.nextOffset();
  commit(cursor);
  const offsets = new Array(perTurn).fill(0);
  for (let done = 0; done < MESSAGES; done += perTurn) {
    for (let index = 0; index < perTurn; index++) {
      const offset = cursor.nextOffset();
      cursor.isRedelivered(offset);
      cursor.deliveryCount(offset);
      cursor.delivered(offset, index % consumers);
      offsets[index] = offset;
    }
    for (const index of order) cursor.settle(index % consumers, offsets[index], ACKNOWLEDGE);
    commit(cursor);
  }
  if (cursor.floor !== base + MESSAGES || cursor.ready !== 0) throw new Error('The cursor did not settle everything');
}

function orders(perTurn, consumers) {
  const inOrder = Array.from({ length: perTurn }, (_, index) => index);
  const byConsumer = [...inOrder].sort((a, b) => (a % consumers) - (b % consumers) || a - b);
  let seed = 1;
  const random = [...inOrder].sort(() => {
    seed = (seed * 48_271) % 0x7fffffff;
    return seed - 0x3fffffff;
  });
  return { inOrder, byConsumer, random };
}

console.log(`Node ${process.version}`);
const turn = orders(300, 4);
measure('deliver + ack, 1 consumer, in order, 300 per turn', MESSAGES, () => run(0, 1, 300, turn.inOrder));
measure('deliver + ack, 4 consumers, each in order, 300 per turn', MESSAGES, () => run(0, 4, 300, turn.byConsumer));
measure('deliver + ack, 4 consumers, random order, 300 per turn', MESSAGES, () => run(0, 4, 300, turn.random));
measure('the same with offsets above 2^40', MESSAGES, () => run(2 ** 40, 4, 300, turn.random));
measure('deliver + ack, 1 consumer, 1 per turn', MESSAGES, () => run(0, 1, 1, [0]));
measure('deliver + requeue + deliver + ack, 300 per turn', MESSAGES, () => {
  const cursor = new QueueCursor();
  cursor.appended(0, MESSAGES);
  cursor.nextOffset();
  commit(cursor);
  for (let done = 0; done < MESSAGES; done += 300) {
    for (let index = 0; index < 300; index++) cursor.delivered(cursor.nextOffset(), 1);
    for (let index = 0; index < 300; index++) cursor.settle(1, done + index, REQUEUE);
    for (let index = 0; index < 300; index++) cursor.delivered(cursor.nextOffset(), 1);
    for (let index = 0; index < 300; index++) cursor.settle(1, done + index, ACKNOWLEDGE);
    commit(cursor);
  }
});

/** What is in use once the collector has freed buffers too, which it does aside. */
async function memory() {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  return { used: heapUsed + Math.max(external, arrayBuffers), rss };
}

async function since(before) {
  const now = await memory();
  return `${((now.used - before.used) / 1e6).toFixed(2)} MB used, RSS ${((now.rss - before.rss) / 1e6).toFixed(1)} MB more`;
}

console.log(`\nA queue with ${depth.toLocaleString('en')} messages`);
const before = await memory();
const cursor = new QueueCursor();
cursor.appended(0, depth);
cursor.nextOffset();
commit(cursor);
console.log(`all waiting:                                     ${await since(before)}`);
/** Delivers everything; every second message is acknowledged after 1,000 deliveries, the others come back when the consumer leaves. */
const started = process.cpuUsage();
for (let offset = 0; offset < depth; offset++) {
  if (cursor.nextOffset() < 0) commit(cursor);
  cursor.delivered(cursor.nextOffset(), 1);
  if (offset % 1000 === 999) {
    for (let acked = offset - 999; acked < offset; acked += 2) cursor.settle(1, acked, ACKNOWLEDGE);
    commit(cursor);
  }
}
console.log(`every second acknowledged, the rest in flight:   ${await since(before)}`);
cursor.releaseConsumer(1);
commit(cursor);
const { user, system } = process.cpuUsage(started);
console.log(
  `every second acknowledged, the rest came back:   ${await since(before)}; ${cursor.bitmapBytes / 1e6} MB of bitmaps`,
);
console.log(
  `deliver, ack or return: ${(((user + system) * 1000) / depth).toFixed(0)} ns per message; ready ${cursor.ready}`,
);
let at = performance.now();
const snapshot = cursor.snapshot();
console.log(`snapshot: ${(snapshot.length / 1e6).toFixed(2)} MB in ${(performance.now() - at).toFixed(0)} ms`);
at = performance.now();
const restored = new QueueCursor();
restored.restore(snapshot);
restored.recovered({ logStart: 0, logEnd: depth, recordsAbove: () => 0 });
console.log(
  `restored in ${(performance.now() - at).toFixed(0)} ms; ready ${restored.ready}, next ${restored.nextOffset()}`,
);
