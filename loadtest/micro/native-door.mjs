// Nanoseconds of CPU per message in the native door's session, the broker and the socket being stubs. Runs on what `npm run build` made:
//
//     node loadtest/micro/native-door.mjs [ROUNDS]
//
// Every figure is the median of ROUNDS (default 9) rounds after two to warm up.
const dist = process.env.DUOLOG_DIST ?? new URL('../../dist/', import.meta.url).href;
/** Imports a built file: found at run time, so that nothing here depends on a build. */
const built = (path) => import(new URL(path, dist).href);

const { duolog } = await built('proto/client.js');
const { DoorContext } = await built('doors/ws/context.js');
const { Session } = await built('doors/ws/session.js');
const { anonymousAuthorizer } = await built('doors/ws/authorizer.js');
const { sessionLimits } = await built('doors/ws/limits.js');
const { BatchBuilder } = await built('record/batch-builder.js');
const { installNativeCrc32c } = await built('io/native-crc.js');
const { Frame } = duolog.client.v1;
installNativeCrc32c((reason) => console.error(reason));

const rounds = Number(process.argv[2] ?? 9);
const OPERATIONS = 200_000;
const settings = { kind: 'queue', durability: 2 };
const topic = { name: 'orders', topicId: 1, settings, partitions: [{ partition: 0, logId: 1, slot: 0 }] };

const pending = [];
let consumer;
let follower;
const handle = { setPrefetch() {}, addCredit() {}, settle() {}, cancel() {}, resume() {}, seek() {} };
const broker = {
  accepting: true,
  topic: () => topic,
  bounds: () => ({ logStart: 0, end: 0 }),
  publishMessages: (_topic, _partition, messages, level, _producer, token) =>
    pending.push(token, messages.length, level),
  publishBatch: (_topic, _partition, _bytes, level, token) => pending.push(token, 100, level),
  consume: (_queue, _options, own) => {
    consumer = own;
    return handle;
  },
  follow: (_topic, _positions, own) => {
    follower = own;
    return handle;
  },
};

let bytesOut = 0;
const count = (payload) => {
  bytesOut += payload.length;
  return 'sent';
};
const socket = {
  send: count,
  sendOwned: count,
  sendPrepared: (frame) => count(frame.wire),
  bufferedBytes: () => 0,
  end: (code, reason) => {
    throw new Error(`Closed with ${code}: ${reason}`);
  },
  pause: () => false,
  resume() {},
};

let turnEnd = () => {};
const timers = {
  setImmediate: (step) => {
    turnEnd = step;
  },
  setTimeout: () => ({ unref() {} }),
  clearTimeout() {},
};

function newContext() {
  return new DoorContext({
    broker,
    timers,
    random: { bytes: (length) => new Uint8Array(length) },
    limits: sessionLimits(),
    node: { name: 'n', id: 1, version: '0' },
    authorizer: anonymousAuthorizer(),
    status: async () => ({}),
  });
}

function newSession(context = newContext()) {
  const session = new Session(context, socket, '127.0.0.1');
  session.receive(Frame.encode({ hello: { version: 1 } }).finish(), false);
  return session;
}

function measure(name, work) {
  const times = [];
  for (let round = -2; round < rounds; round++) {
    bytesOut = 0;
    const started = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(started);
    if (round >= 0) times.push(((user + system) * 1000) / OPERATIONS);
  }
  times.sort((a, b) => a - b);
  console.log(
    `${name.padEnd(62)} ${times[times.length >> 1].toFixed(0).padStart(6)} ns  ${(bytesOut / OPERATIONS).toFixed(1).padStart(6)} B sent`,
  );
}

const encode = (frame) => new Uint8Array(Frame.encode(frame).finish());
const session = newSession();
console.log(`Node ${process.version}; CPU per message`);

/** `frames` publish frames a turn, confirmed together at its end. */
function publishing(frame, perFrame, frames) {
  return () => {
    let offset = 0;
    for (let done = 0; done < OPERATIONS; done += perFrame * frames) {
      for (let index = 0; index < frames; index++) session.receive(frame, false);
      for (let at = 0; at < pending.length; at += 3) {
        const messages = pending[at + 1];
        session.publisher.published(pending[at], 0, offset, messages, pending[at + 2], false);
        offset += messages;
      }
      pending.length = 0;
      turnEnd();
    }
  };
}

const message = (size) => ({ key: new Uint8Array(8), value: new Uint8Array(size), timestampMs: 1_700_000_000_000 });
for (const size of [100, 1024]) {
  const one = encode({ id: 300, publish: { to: 'orders', messages: [message(size)] } });
  measure(`publish ${size} B, one per frame, 50 frames a turn`, publishing(one, 1, 50));
  const hundred = encode({ id: 300, publish: { to: 'orders', messages: new Array(100).fill(message(size)) } });
  measure(`publish ${size} B, 100 per frame, 5 frames a turn`, publishing(hundred, 100, 5));
  const builder = new BatchBuilder();
  builder.start();
  for (let index = 0; index < 100; index++) builder.append(new Uint8Array(8), new Uint8Array(size), 1_700_000_000_000);
  const batch = encode({ id: 300, publish: { to: 'orders', partition: 0, batch: builder.finish() } });
  measure(`publish ${size} B, batches of 100, checked to the last record`, publishing(batch, 100, 5));
}

session.receive(encode({ id: 1, subscribe: { subscription: 1, from: 'orders', queue: { credit: 60_000 } } }), false);
const settle = encode({ settle: { subscription: 1, upToTag: 1 } });
for (const size of [100, 1024]) {
  for (const perTurn of [1, 100]) {
    const record = {
      offset: 123_456,
      timestampMs: 1_700_000_000_000,
      key: new Uint8Array(8),
      value: new Uint8Array(size),
      headers: Uint8Array.of(0),
    };
    measure(`deliver ${size} B, ${perTurn} a turn, settled once a turn`, () => {
      for (let done = 0; done < OPERATIONS; done += perTurn) {
        for (let index = 0; index < perTurn; index++) consumer.deliver(0, record, false, 0);
        consumer.flush();
        const tag = consumer.tags.next - 1;
        session.receive(tag === 1 ? settle : encodeSettle(tag), false);
      }
    });
  }
}

/** Settle up to a tag, as a client's encoder would write it. */
function encodeSettle(tag) {
  const bytes = [];
  for (let rest = tag; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      bytes.push(rest);
      break;
    }
    bytes.push((rest % 128) | 128);
  }
  return Uint8Array.of(0x3a, 3 + bytes.length, 0x08, 1, 0x20, ...bytes);
}

const context = newContext();
const listeners = Array.from({ length: 1000 }, () => newSession(context));
for (const listener of listeners) {
  listener.receive(encode({ id: 1, subscribe: { subscription: 1, from: 'orders', broadcast: {} } }), false);
}
const single = new BatchBuilder();
single.start();
single.append(null, new Uint8Array(128), 1_700_000_000_000);
const batches = single.finish().slice();
let next = 0;
measure('broadcast 128 B to 1,000 sessions, per delivery', () => {
  for (let done = 0; done < OPERATIONS; done += 1000) {
    next++;
    follower.batches({ partition: 0, batches, nextOffset: next, logStart: 0, end: next });
  }
});
