// Reading as fast as a session gives: by fetches (pull), by credit on a topic, from a queue with acknowledgements, and as a broadcast.
import { delivery, KIND, readDeliver, readFetched, readStream, records } from './hot-frames.mjs';
import { nowMs } from './measures.mjs';
import { frameOf } from './wire-session.mjs';

const DELIVER_RECORDS = 3;
const BROADCAST_RECORDS = 2;

/**
 * Fetches the given partitions over and over, from their beginning to their end and again, for `seconds`. The next fetch leaves as soon as the
 * last one came.
 */
export function fetchFor(session, { from, partitions, maxBytes, seconds }) {
  const positions = new Map(partitions.map((partition) => [partition, 0]));
  const endMs = nowMs() + seconds * 1000;
  const startedMs = nowMs();
  let [messages, bytes, fetches] = [0, 0, 0];
  return new Promise((resolve) => {
    const ask = () => {
      const starts = [...positions].map(([partition, offset]) => ({ partition, offset }));
      session.connection.write(frameOf({ id: 1_000_000, fetch: { from, partitions: starts, maxBytes, maxWaitMs: 0 } }));
    };
    session.hot.set(KIND.fetched, (frame, at, to) => {
      readFetched(frame, at, to, () => {
        messages += records.count;
        bytes += records.bytes;
        positions.set(records.partition, records.count === 0 ? 0 : records.nextOffset);
      });
      fetches++;
      if (nowMs() < endMs) ask();
      else resolve({ messages, bytes, fetches, seconds: (nowMs() - startedMs) / 1000 });
    });
    ask();
  });
}

/** Follows a topic by credit from its beginning until `messages` came. */
export async function streamTopic(session, { from, subscription, credit, messages }) {
  const startedMs = nowMs();
  let [received, bytes, granted] = [0, 0, credit];
  let finish;
  const finished = new Promise((resolve) => {
    finish = resolve;
  });
  session.hot.set(KIND.deliver, (frame, at, to) => {
    readStream(frame, at, to, DELIVER_RECORDS, () => {
      received += records.count;
      bytes += records.bytes;
    });
    if (granted - received < credit / 2) {
      const add = credit + received - granted;
      granted += add;
      session.send({ credit: { subscription, add } });
    }
    if (received >= messages) finish();
  });
  await session.request({ subscribe: { subscription, from, topic: { credit, start: { beginning: true } } } });
  await finished;
  return { messages: received, bytes, seconds: (nowMs() - startedMs) / 1000 };
}

/**
 * A consumer of a queue. With manual acknowledgement it acknowledges everything that came since the last Settle as soon as that one is
 * confirmed, by one range: so one Settle is on its way at a time, and every acknowledgement is confirmed.
 */
export class QueueReader {
  received = 0;
  redelivered = 0;
  settled = 0;
  onDelivery = () => {};
  onSettled = () => {};
  #session;
  #subscription;
  #firstTag = 1;
  #lastTag = 0;
  #settlingTag = 0;
  #isAcknowledging;

  constructor(session, subscription, isAcknowledging) {
    this.#session = session;
    this.#subscription = subscription;
    this.#isAcknowledging = isAcknowledging;
    session.hot.set(KIND.deliver, (frame, at, to) => this.#deliver(frame, at, to));
  }

  static async open(session, { from, subscription = 1, credit, isAcknowledging = true, onDelivery }) {
    const reader = new QueueReader(session, subscription, isAcknowledging);
    if (onDelivery !== undefined) reader.onDelivery = onDelivery;
    await session.request({ subscribe: { subscription, from, queue: { credit, automaticAck: false } } });
    return reader;
  }

  #deliver(frame, at, to) {
    this.received += readDeliver(frame, at, to, (bytes) => {
      this.#lastTag = delivery.tag;
      if (delivery.redelivered) this.redelivered++;
      this.onDelivery(bytes, delivery);
    });
    if (this.#isAcknowledging && this.#settlingTag === 0) this.#settle();
  }

  #settle() {
    if (this.#lastTag < this.#firstTag) return;
    const tags = [{ first: this.#firstTag, last: this.#lastTag }];
    this.#settlingTag = this.#lastTag;
    this.#session.request({ settle: { subscription: this.#subscription, tags } }).then(() => {
      this.settled += this.#settlingTag - this.#firstTag + 1;
      this.#firstTag = this.#settlingTag + 1;
      this.#settlingTag = 0;
      this.onSettled();
      if (this.#settlingTag === 0) this.#settle();
    });
  }
}

/** Follows a topic live; `onMessage(bytes, valueFrom, count)` for every frame that comes. */
export async function followBroadcast(session, { from, onRecords, onMissed = () => {} }) {
  session.hot.set(KIND.broadcast, (frame, at, to) => {
    readStream(frame, at, to, BROADCAST_RECORDS, () => onRecords(frame, records));
  });
  session.hot.set(KIND.missed, onMissed);
  await session.request({ subscribe: { subscription: 1, from, broadcast: { start: { end: true } } } });
}
