// A session of the native protocol in k6: protobuf frames over k6/websockets.

import { decodeFrame, encodeFrame } from 'duolog-wire';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';
import { WebSocket } from 'k6/websockets';

const errors = new Counter('errors');
const closes = new Counter('unexpected_closes');
/** How long a script loads the node, in seconds. */
export const SECONDS = Number(__ENV.SECONDS);

/** Milliseconds since the test began, on one clock for all virtual users and finer than Date.now(). */
export const nowMs = () => exec.instance.currentTestRunDuration;

/** A value of `bytes` bytes that begins with the time. */
export function timedValue(bytes) {
  const value = new Uint8Array(bytes);
  value.fill(120);
  new DataView(value.buffer).setFloat64(0, nowMs());
  return value;
}

/** Milliseconds since a value was made by `timedValue`. */
export const ageMs = (value) => nowMs() - new DataView(value.buffer, value.byteOffset).getFloat64(0);

/** The value of the first record of a record batch: for batches as the node writes them, with a null key. */
export function firstValueOf(batch) {
  let at = 61;
  const skip = () => {
    while (batch[at++] >= 128);
  };
  skip();
  at++;
  for (let field = 0; field < 4; field++) skip();
  return batch.subarray(at);
}

/** A connected and greeted session; `frames` holds a function for each kind of frame that may come. */
class Session {
  constructor(onReady, frames) {
    this.frames = frames;
    this.isClosing = false;
    this.waiting = new Map();
    this.nextId = 1;
    this.socket = new WebSocket(__ENV.URL);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => this.request({ hello: { version: 1, clientName: 'k6' } }, () => onReady(this));
    this.socket.onmessage = ({ data }) => this.take(decodeFrame(new Uint8Array(data)));
    this.socket.onerror = (event) => {
      if (this.isClosing) return;
      errors.add(1);
      console.error(event.error);
    };
    this.socket.onclose = () => {
      if (!this.isClosing) closes.add(1);
    };
  }

  take(frame) {
    const then = this.waiting.get(frame.id);
    this.waiting.delete(frame.id);
    if (frame.error) {
      errors.add(1);
      console.error(frame.error.message);
    }
    if (then !== undefined) {
      then(frame);
      return;
    }
    for (const kind of Object.keys(this.frames)) if (frame[kind]) this.frames[kind](frame[kind], frame.id);
  }

  send(frame) {
    this.socket.send(encodeFrame(frame).slice().buffer);
  }

  /** Sends a request; `then` gets the answer. */
  request(frame, then = () => {}) {
    const id = this.nextId++;
    this.waiting.set(id, then);
    this.send({ id, ...frame });
  }

  close() {
    this.isClosing = true;
    this.socket.close();
  }
}

/** Opens a session for the time of the script and `extraSeconds` more; `onReady(session)` when the node has said welcome. */
export function runSession(onReady, frames = {}, extraSeconds = 0) {
  const session = new Session(onReady, frames);
  setTimeout(() => session.close(), (SECONDS + extraSeconds) * 1000);
  return session;
}

/** Declares topics and queues before the load; to be called in a script's `setup`. */
export function declareAll(declarations) {
  const session = new Session(() => {
    let left = declarations.length;
    for (const declare of declarations) {
      session.request({ declare }, () => {
        if (--left === 0) session.close();
      });
    }
  });
}

/** Keeps `window` publishes of `count` messages under way; `onConfirm(latencyMs, count)`. Ids of publishes begin at 100,000. */
export function keepPublishing({ to, window, count, bytes, durability, onConfirm }) {
  let id = 100_000;
  const sentMs = new Map();
  const publish = (session) => {
    if (nowMs() > (SECONDS - 0.5) * 1000) return;
    const messages = Array.from({ length: count }, () => ({ value: timedValue(bytes) }));
    sentMs.set(++id, nowMs());
    session.send({ id, publish: { to, messages, durability } });
  };
  const session = runSession(
    () => {
      for (let index = 0; index < window; index++) publish(session);
    },
    {
      confirms: ({ confirms }) => {
        for (const confirm of confirms) {
          onConfirm(nowMs() - sentMs.get(confirm.id), count);
          sentMs.delete(confirm.id);
          publish(session);
        }
      },
    },
  );
}

/** Publishes one message `perSecond` times a second, due or late, until half a second before the end. */
export function publishAtRate({ to, perSecond, bytes, durability, onConfirm = () => {} }) {
  let id = 100_000;
  const session = runSession(
    () => {
      const startedMs = nowMs();
      let sent = 0;
      const timer = setInterval(() => {
        if (nowMs() > (SECONDS - 0.5) * 1000) clearInterval(timer);
        for (; startedMs + (sent * 1000) / perSecond <= nowMs(); sent++) {
          session.send({ id: ++id, publish: { to, messages: [{ value: timedValue(bytes) }], durability } });
        }
      }, 5);
    },
    { confirms: ({ confirms }) => onConfirm(confirms.length) },
  );
}

/** Consumes a queue with manual acknowledgement; `onMessage(latencyMs)`; acknowledges after `waitMs`. */
export function consumeQueue({ from, credit, waitMs = 0, onMessage }) {
  const session = runSession(
    () => session.request({ subscribe: { subscription: 1, from, queue: { credit } } }),
    {
      deliver: ({ deliveries }) => {
        for (const { message } of deliveries) onMessage(ageMs(message.value));
        const settle = () =>
          session.send({ settle: { subscription: 1, upToTag: deliveries[deliveries.length - 1].tag } });
        if (waitMs === 0) settle();
        else setTimeout(settle, waitMs);
      },
    },
    1,
  );
}

/** A scenario of `vus` virtual users that each run the exported function `exec` once. */
export const scenario = (vus, name) => ({
  executor: 'per-vu-iterations',
  vus,
  iterations: 1,
  maxDuration: `${SECONDS + 15}s`,
  exec: name,
});

/** Statistics of each trend that the summary holds. */
export const summaryTrendStats = ['med', 'p(95)', 'p(99)', 'max'];
/** Thresholds of every script. */
export const noErrors = { errors: ['count==0'], unexpected_closes: ['count==0'] };
