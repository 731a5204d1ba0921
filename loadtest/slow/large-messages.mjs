// Messages of 16 MiB through the smallest rings that a node accepts, while one of its shards stands still again and again.
import { createHash, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { KIND, readConfirms } from '../harness/hot-frames.mjs';
import { MIB, nowMs, sleep } from '../harness/measures.mjs';
import { startNode } from '../harness/node-under-test.mjs';
import { QueueReader } from '../harness/readers.mjs';
import { number } from '../harness/tables.mjs';
import { frameOf, WireSession } from '../harness/wire-session.mjs';

const PARTITIONS = 4;
const PUBLISHERS = 4;
const CONSUMERS = 3;
const MESSAGES = 96;
const VALUE_BYTES = 16 * MIB - 1024;
const MESSAGE_LIMIT = 16 * MIB;
const LIMIT_SECONDS = 150;
const STALLS_EVERY_MS = 3500;
/** Everything that may be held at once, several times over, and far below what is published in all. */
const MAX_RSS_MIB = 800;
const MEMORY = 1;

/** The smallest `--ring-memory` in MiB with which a node of two shards starts: two arenas of one largest body, and a bit. */
async function startSmallest() {
  const nodeFlags = ['--import', fileURLToPath(new URL('./stall-preload.mjs', import.meta.url))];
  for (let ringMemory = 1; ; ringMemory++) {
    // What a node refuses is refused at once, so trying costs little; it begins where two bodies could just fit.
    const bytes = (2 * MESSAGE_LIMIT) / MIB + ringMemory;
    try {
      const settings = { shards: 2, ringMemory: `${bytes}MiB` };
      return { ringMiB: bytes, node: await startNode({ settings, nodeFlags }) };
    } catch (error) {
      if (ringMemory > 8) throw error;
    }
  }
}

const hashOf = (bytes) => createHash('md5').update(bytes).digest('hex');

/** Publishes its share of the messages one after the other, each when the last is confirmed. */
async function publishShare(port, share, hashes) {
  const session = await WireSession.open(port);
  for (const index of share) {
    const value = randomBytes(VALUE_BYTES);
    hashes.add(hashOf(value));
    const messages = [{ value }];
    await new Promise((resolve) => {
      session.hot.set(KIND.confirms, (bytes, from, to) => readConfirms(bytes, from, to, resolve));
      const publish = { to: 'large', partition: index % PARTITIONS, messages, durability: MEMORY };
      session.connection.write(frameOf({ id: 50_000 + index, publish }));
    });
  }
  session.destroy();
}

/** Consumes until everything came; notes the hash of every message. */
async function consumeAll(port, seen) {
  const sessions = [];
  await new Promise((resolve, reject) => {
    const open = async () => {
      const session = await WireSession.open(port);
      sessions.push(session);
      const onDelivery = (bytes, { valueFrom, valueTo }) => seen.push(hashOf(bytes.subarray(valueFrom, valueTo)));
      const reader = await QueueReader.open(session, { from: 'large', credit: 4, onDelivery });
      reader.onSettled = () => {
        if (seen.length >= MESSAGES) resolve();
      };
    };
    for (let consumer = 0; consumer < CONSUMERS; consumer++) open().catch(reject);
  });
  for (const session of sessions) session.destroy();
}

/** Runs the scenario and adds its checks. */
export async function largeMessagesThroughSmallRings(checks) {
  const { node, ringMiB } = await startSmallest();
  const session = await WireSession.open(node.port);
  await session.declare({ queue: { name: 'large', partitions: PARTITIONS, durability: MEMORY } });
  const [hashes, seen] = [new Set(), []];
  let stalls = 0;
  const stalling = setInterval(() => {
    stalls++;
    process.kill(node.pid, 'SIGUSR2');
  }, STALLS_EVERY_MS);
  const startedMs = nowMs();
  const shares = Array.from({ length: PUBLISHERS }, (_, publisher) =>
    Array.from({ length: MESSAGES / PUBLISHERS }, (_, at) => at * PUBLISHERS + publisher),
  );
  const work = Promise.all([
    consumeAll(node.port, seen),
    ...shares.map((share) => publishShare(node.port, share, hashes)),
  ]);
  const isDone = await Promise.race([work.then(() => true), sleep(LIMIT_SECONDS * 1000, false)]);
  clearInterval(stalling);
  const seconds = (nowMs() - startedMs) / 1000;
  const text = `${MESSAGES} in ${number(seconds, 1)} s, ${stalls} stalls of 2 s`;
  checks.add(`16 MiB messages, ${ringMiB} MiB of rings`, text, 'all through: no deadlock', isDone);
  const intact = seen.filter((hash) => hashes.has(hash)).length;
  const distinct = new Set(seen).size;
  checks.add(
    '16 MiB messages: received intact, distinct',
    `${intact}, ${distinct}`,
    String(MESSAGES),
    intact === MESSAGES && distinct === MESSAGES,
  );
  const peak = node.peakRssBytes() / MIB;
  checks.add(
    '16 MiB messages: peak RSS',
    `${number(peak)} MiB of ${number((MESSAGES * VALUE_BYTES) / MIB)} published`,
    `≤ ${MAX_RSS_MIB} MiB`,
    peak <= MAX_RSS_MIB,
  );
  session.destroy();
  await node.remove();
}
