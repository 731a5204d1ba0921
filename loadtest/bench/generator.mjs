// The load of a benchmark case, in a process of its own. bench/cases.mjs calls these functions.
import { Latency } from '../harness/latency.mjs';
import { nowMs, ownCpuSeconds } from '../harness/measures.mjs';
import { serveRole } from '../harness/processes.mjs';
import { WirePublisher } from '../harness/publisher.mjs';
import { fetchFor, followBroadcast, QueueReader, streamTopic } from '../harness/readers.mjs';
import { WireSession } from '../harness/wire-session.mjs';

/** Read buffer of a session where there are many. */
const SMALL_READ_BYTES = 16 * 1024;
const CREDIT = 4000;
const FOLLOW_CREDIT = 20_000;

/** @type {WireSession[]} */
let sessions = [];
/** Messages followed by `listen`. */
const heard = {
  latency: new Latency(),
  messages: 0,
  missed: 0,
  duplicates: 0,
  target: Number.POSITIVE_INFINITY,
  finish: () => {},
};

function closeAll() {
  for (const session of sessions) session.destroy();
  sessions = [];
}

async function openSessions(port, count, options = {}) {
  closeAll();
  for (let index = 0; index < count; index++) sessions.push(await WireSession.open(port, options));
}

/** Runs `work` and adds this process's CPU time to its result. */
async function withCpu(work) {
  const before = ownCpuSeconds();
  const result = await work();
  return { ...result, clientCpuSeconds: ownCpuSeconds() - before };
}

const targetsOf = (to, partitions) => Array.from({ length: partitions }, (_, partition) => ({ to, partition }));

/** One publisher on each session, every one to all partitions. */
const publishersOf = ({ to, partitions, window, count, valueBytes, durability, form }) =>
  sessions.map(
    (session) =>
      new WirePublisher(session, { targets: targetsOf(to, partitions), window, count, valueBytes, durability, form }),
  );

/** Connects, warms up, and publishes at full speed. */
async function flood({ port, connections, warmUpSeconds, seconds, ...what }) {
  await openSessions(port, connections);
  const publishers = publishersOf(what);
  await Promise.all(publishers.map((publisher) => publisher.flood({ seconds: warmUpSeconds })));
  return () =>
    withCpu(async () => {
      const latency = new Latency();
      const onConfirm = (milliseconds) => latency.record(milliseconds);
      const results = await Promise.all(publishers.map((publisher) => publisher.flood({ seconds, onConfirm })));
      const publishes = results.reduce((sum, result) => sum + result.publishes, 0);
      closeAll();
      return { messages: publishes * what.count, seconds, ...latency.summary() };
    });
}

/** Publishes `messages` in batches of 100 at `memory`, without measuring. */
async function fill({ port, to, partitions, messages, valueBytes }) {
  await openSessions(port, 1);
  const [publisher] = publishersOf({
    to,
    partitions,
    window: 40,
    count: 100,
    valueBytes,
    durability: 1,
    form: 'batch',
  });
  await publisher.flood({ publishes: Math.ceil(messages / 100) });
  closeAll();
}

/** Publishes one message at a time at a fixed rate, and measures each confirm from when its publish was due. */
async function publishAtRate({ port, warmUpSeconds, seconds, perSecond, isTimed, ...what }) {
  await openSessions(port, 1);
  const [publisher] = publishersOf({ ...what, form: what.form ?? 'messages' });
  await publisher.publishAtRate({ perSecond, seconds: warmUpSeconds, isTimed });
  return () =>
    withCpu(async () => {
      const latency = new Latency();
      await publisher.publishAtRate({
        perSecond,
        seconds,
        isTimed,
        onConfirm: (milliseconds) => latency.record(milliseconds),
      });
      closeAll();
      return { messages: perSecond * seconds * what.count, seconds, ...latency.summary() };
    });
}

/** Fetches all partitions of a topic for some time, shared out among `connections`. */
async function pull({ port, connections, from, partitions, maxBytes, warmUpSeconds, seconds }) {
  await openSessions(port, connections);
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  const shares = sessions.map((_, at) =>
    partitions < connections ? all : all.filter((partition) => partition % connections === at),
  );
  const fetchAll = (duration) =>
    Promise.all(
      sessions.map((session, at) => fetchFor(session, { from, partitions: shares[at], maxBytes, seconds: duration })),
    );
  await fetchAll(warmUpSeconds);
  return () =>
    withCpu(async () => {
      const results = await fetchAll(seconds);
      closeAll();
      const sum = (field) => results.reduce((total, result) => total + result[field], 0);
      return { messages: sum('messages'), bytes: sum('bytes'), seconds: sum('seconds') / results.length };
    });
}

/** Follows a topic from its beginning by credit until `messages` came. */
async function stream({ port, from, messages }) {
  await openSessions(port, 1);
  return () =>
    withCpu(async () => {
      const result = await streamTopic(sessions[0], { from, subscription: 1, credit: FOLLOW_CREDIT, messages });
      closeAll();
      return result;
    });
}

/** Consumes `messages` of a queue with confirmed manual acknowledgements. */
async function consume({ port, from, consumers, messages }) {
  await openSessions(port, consumers);
  return () =>
    withCpu(async () => {
      const startedMs = nowMs();
      const readers = [];
      await new Promise((resolve, reject) => {
        const onSettled = () => {
          if (readers.reduce((sum, reader) => sum + reader.settled, 0) >= messages) resolve();
        };
        const open = async (session) => {
          const reader = await QueueReader.open(session, { from, credit: CREDIT });
          readers.push(reader);
          reader.onSettled = onSettled;
        };
        Promise.all(sessions.map(open)).catch(reject);
      });
      const seconds = (nowMs() - startedMs) / 1000;
      closeAll();
      return { messages, seconds };
    });
}

/** Follows a topic with `connections` broadcast subscriptions, or a queue with one consumer, and measures from the time in each message. */
async function listen({ port, from, mode, connections = 1 }) {
  await openSessions(port, connections, connections > 1 ? { readBytes: SMALL_READ_BYTES } : {});
  const hear = (bytes, valueFrom) => {
    heard.latency.record(nowMs() - bytes.readDoubleLE(valueFrom));
    if (++heard.messages === heard.target) heard.finish();
  };
  for (const session of sessions) {
    if (mode === 'queue')
      await QueueReader.open(session, {
        from,
        credit: CREDIT,
        onDelivery: (bytes, { valueFrom }) => hear(bytes, valueFrom),
      });
    else {
      await followBroadcast(session, {
        from,
        onRecords: (bytes, { valueFrom }) => hear(bytes, valueFrom),
        onMissed: () => heard.missed++,
      });
    }
  }
}

/** Begins to count anew what `listen` hears; `heardAll` resolves when `messages` came or after a while without. */
function countHeard({ messages }) {
  Object.assign(heard, { messages: 0, missed: 0, target: messages, startedCpu: ownCpuSeconds() });
  heard.latency.reset();
  heard.finished = new Promise((resolve) => {
    heard.finish = resolve;
  });
}

async function heardAll({ limitSeconds }) {
  const timer = setTimeout(heard.finish, limitSeconds * 1000);
  await heard.finished;
  clearTimeout(timer);
  const { messages, missed } = heard;
  return { messages, missed, clientCpuSeconds: ownCpuSeconds() - heard.startedCpu, ...heard.latency.summary() };
}

/** What `prepare` made ready, until `run` measures it. */
let prepared;
const ownLoads = { flood, publishAtRate, pull, stream, consume };

/** The loads through the client measure the client as well, so it is loaded only for them. */
async function loadNamed(name) {
  if (ownLoads[name] !== undefined) return ownLoads[name];
  const { clientLoads } = await import('./client-loads.mjs');
  return (parameters) => clientLoads[name](parameters).then((run) => () => withCpu(run));
}

serveRole({
  fill,
  listen,
  countHeard,
  heardAll,
  closeAll,
  async prepare({ load, ...parameters }) {
    prepared = await (await loadNamed(load))(parameters);
  },
  run: () => prepared(),
});
