// Filling a queue and consuming from it, for the depth test.
import { delivery, KIND, readDeliver } from '../harness/hot-frames.mjs';
import { nowMs } from '../harness/measures.mjs';
import { WirePublisher } from '../harness/publisher.mjs';
import { QueueReader } from '../harness/readers.mjs';
import { WireSession } from '../harness/wire-session.mjs';

const BATCH = 100;
const WINDOW = 40;
const MEMORY = 1;
const CREDIT = 4000;
/** As much credit as one subscription may have, with a bit to spare. */
const LARGE_CREDIT = 65_000;
const MAX_RANGES = 8000;

/** Publishes `messages` of `valueBytes` in batches (of 100 unless told otherwise) and waits for all confirms. */
export async function fill(port, to, messages, valueBytes, { batch = BATCH, window = WINDOW } = {}) {
  const session = await WireSession.open(port);
  const targets = [{ to, partition: 0 }];
  const publisher = new WirePublisher(session, {
    targets,
    window,
    count: batch,
    valueBytes,
    durability: MEMORY,
  });
  await publisher.flood({ publishes: Math.ceil(messages / batch) });
  session.destroy();
}

/** Consumes and acknowledges `messages`; returns how many a second that were. `onOffset` sees every delivery. */
export async function consume(port, from, messages, onOffset = () => {}) {
  const session = await WireSession.open(port);
  const startedMs = nowMs();
  await new Promise((resolve, reject) => {
    const onDelivery = (_bytes, { offset }) => onOffset(offset);
    QueueReader.open(session, { from, credit: CREDIT, onDelivery }).then((reader) => {
      reader.onSettled = () => {
        if (reader.settled >= messages) resolve();
      };
    }, reject);
  });
  const perSecond = (messages * 1000) / (nowMs() - startedMs);
  session.destroy();
  return perSecond;
}

/** Milliseconds until a new consumer has its first delivery. */
export async function timeToFirstDelivery(port, from) {
  const startedMs = nowMs();
  const session = await WireSession.open(port);
  await new Promise((resolve, reject) => {
    QueueReader.open(session, { from, credit: 1, isAcknowledging: false, onDelivery: resolve }).catch(reject);
  });
  session.destroy();
  return nowMs() - startedMs;
}

/**
 * Takes all `messages` of a queue and acknowledges those with an odd offset; the others stay unacknowledged until the end, when they all
 * come back at once. Needs one subscription after the other, because the credit of each is bounded. Ends early when `maxHeld` messages
 * are unacknowledged. Returns how many were acknowledged.
 */
export async function acknowledgeEverySecond(port, from, messages, maxHeld) {
  const session = await WireSession.open(port);
  let [received, held, heldBefore, subscription] = [0, 0, 0, 0];
  const tags = [];
  let isBusy = false;
  await new Promise((resolve, reject) => {
    const subscribe = async () => {
      subscription++;
      heldBefore += held;
      held = 0;
      await session.request({ subscribe: { subscription, from, queue: { credit: LARGE_CREDIT } } });
    };
    /** Settles what is to be settled; then, when all credit is held by messages that stay, goes on with another subscription. */
    const advance = async () => {
      while (tags.length > 0) await session.request({ settle: { subscription, tags: tags.splice(0, MAX_RANGES) } });
      if (received >= messages || heldBefore + held >= maxHeld) resolve();
      else if (held >= LARGE_CREDIT) await subscribe();
      isBusy = false;
      if (tags.length > 0) start();
    };
    const start = () => {
      if (isBusy) return;
      isBusy = true;
      advance().catch(reject);
    };
    session.hot.set(KIND.deliver, (frame, at, to) => {
      readDeliver(frame, at, to, () => {
        received++;
        if (delivery.offset % 2 === 1) tags.push({ first: delivery.tag, last: delivery.tag });
        else held++;
      });
      start();
    });
    subscribe().catch(reject);
  });
  session.destroy();
  return received - heldBefore - held;
}
