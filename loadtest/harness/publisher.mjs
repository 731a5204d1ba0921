// Publishing at full speed and at a fixed rate, with frames that were made before: per publish, only its id (and a time) is written anew.
import { built } from './built.mjs';
import { KIND, readConfirms } from './hot-frames.mjs';
import { nowMs, sleep } from './measures.mjs';
import { makeFrame, mask } from './wire-connection.mjs';
import { encodeFrame } from './wire-session.mjs';

const { BatchBuilder } = await built('record/batch-builder.js');

/** Ids of publishes take three bytes each, so that frames keep their length. */
const FIRST_ID = 2 ** 14;
const ID_SPAN = 2 ** 20;
/** The value of a message begins with the time at which it was due, in this many bytes. */
const TIME_BYTES = 8;
const TIME_MARK = Buffer.from('<time-here>'.slice(0, TIME_BYTES));

/** Values that look like text, do not repeat each other, and begin with room for a time. */
function makeValue(bytes, seed) {
  const value = Buffer.alloc(bytes, `{"reading": ${seed}, "site": "north-${seed % 97}"} `);
  TIME_MARK.copy(value);
  return value;
}

function makeBatch(count, valueBytes) {
  const builder = new BatchBuilder();
  builder.start();
  const now = Date.now();
  for (let index = 0; index < count; index++) builder.append(null, makeValue(valueBytes, index), now);
  return Buffer.from(builder.finish());
}

/** A publish of `count` messages as a frame, and where its id and its (first) time lie. Form `batch`: a RecordBatch; `messages`: protobuf messages. */
function makePublish({ to, partition, count, valueBytes, durability, form }) {
  const content =
    form === 'batch'
      ? { batch: makeBatch(count, valueBytes) }
      : { messages: Array.from({ length: count }, (_, index) => ({ value: makeValue(valueBytes, index) })) };
  const payload = Buffer.from(encodeFrame({ id: FIRST_ID, publish: { to, partition, durability, ...content } }));
  // The first field of the frame is its id: one byte of tag, three of number.
  if (payload[0] !== 8) throw new Error('A frame should begin with its id');
  const timeInPayload = payload.indexOf(TIME_MARK);
  const { frame, at } = makeFrame(payload);
  return { frame, idAt: at + 1, timeAt: at + timeInPayload, timePhase: timeInPayload };
}

const plainTime = Buffer.allocUnsafe(TIME_BYTES);

/**
 * Publishes on one session. Every place in the window has a frame of its own: it is written again only after its confirm came, when its bytes
 * have surely left. Places are used in turn, so that all targets get the same share.
 */
export class WirePublisher {
  #session;
  #frames = [];
  #free;
  #freeCount;
  #oldest = 0;
  #placeOf = new Map();
  #number = 0;
  #onConfirm = () => {};

  /** `targets`: one or more of `{to, partition}`, taken in turn. `window`: publishes without a confirm, at least one for each target. */
  constructor(session, { targets, window, count, valueBytes, durability, form = 'batch' }) {
    this.#session = session;
    const made = targets.map((target) => makePublish({ ...target, count, valueBytes, durability, form }));
    const places = Math.max(window, targets.length);
    for (let place = 0; place < places; place++) {
      const template = made[place % made.length];
      this.#frames.push({ ...template, frame: Buffer.from(template.frame), dueMs: 0 });
    }
    this.#free = Int32Array.from({ length: places }, (_, place) => place);
    this.#freeCount = places;
    session.hot.set(KIND.confirms, (bytes, from, to) => readConfirms(bytes, from, to, (id) => this.#confirmed(id)));
  }

  get hasRoom() {
    return this.#freeCount > 0;
  }

  get inFlight() {
    return this.#placeOf.size;
  }

  #confirmed(id) {
    const place = this.#placeOf.get(id);
    if (place === undefined) throw new Error(`A confirm came for publish ${id}, which is not in flight`);
    this.#placeOf.delete(id);
    this.#free[(this.#oldest + this.#freeCount) % this.#free.length] = place;
    this.#freeCount++;
    this.#onConfirm(this.#frames[place].dueMs);
  }

  /** The frame of the next publish, with its id (and its time) in it. There must be room, and the caller must write it. */
  #take(dueMs, isTimed) {
    const place = this.#free[this.#oldest];
    this.#oldest = (this.#oldest + 1) % this.#free.length;
    this.#freeCount--;
    const id = FIRST_ID + (this.#number++ % ID_SPAN);
    this.#placeOf.set(id, place);
    const entry = this.#frames[place];
    entry.dueMs = dueMs;
    writeId(entry, id);
    if (isTimed) writeTime(entry, dueMs);
    return entry.frame;
  }

  /**
   * Keeps the window full for `seconds` or for `publishes`, and waits for the last confirm.
   * `onConfirm(latencyMs)` hears of every confirm. Returns how many confirms came within the time, and how long that was.
   */
  async flood({ seconds = Number.POSITIVE_INFINITY, publishes = Number.POSITIVE_INFINITY, onConfirm = () => {} }) {
    const { connection } = this.#session;
    const startedMs = nowMs();
    const endMs = startedMs + seconds * 1000;
    let sent = 0;
    let confirmed = 0;
    let lastMs = startedMs;
    let isScheduled = false;
    await new Promise((resolve) => {
      const pump = () => {
        isScheduled = false;
        const now = nowMs();
        const isOver = now >= endMs || sent >= publishes;
        if (isOver && this.inFlight === 0) resolve();
        if (isOver) return;
        const frames = [];
        for (; this.hasRoom && sent < publishes; sent++) frames.push(this.#take(now, false));
        writeTogether(connection, frames);
      };
      this.#onConfirm = (dueMs) => {
        const now = nowMs();
        if (now <= endMs) {
          confirmed++;
          lastMs = now;
        }
        onConfirm(now - dueMs);
        if (isScheduled) return;
        isScheduled = true;
        setImmediate(pump);
      };
      pump();
    });
    return { publishes: confirmed, seconds: (Math.min(endMs, lastMs) - startedMs) / 1000 };
  }

  /**
   * Publishes `perSecond` times a second for `seconds`, whatever the node does: a publish that could not be sent when it was due counts from
   * when it was due (no coordinated omission). `isTimed` writes that time into the first message.
   */
  async publishAtRate({ perSecond, seconds, isTimed = false, onConfirm = () => {} }) {
    const { connection } = this.#session;
    const total = Math.round(perSecond * seconds);
    const startedMs = nowMs();
    let sent = 0;
    this.#onConfirm = (dueMs) => onConfirm(nowMs() - dueMs);
    while (sent < total || this.inFlight > 0) {
      const frames = [];
      for (; sent < total && this.hasRoom; sent++) {
        const dueMs = startedMs + (sent * 1000) / perSecond;
        if (dueMs > nowMs()) break;
        frames.push(this.#take(dueMs, isTimed));
      }
      writeTogether(connection, frames);
      await pause(sent < total && this.hasRoom ? startedMs + (sent * 1000) / perSecond - nowMs() : PAUSE_MS);
    }
  }
}

/** Shortest and longest sleep between two looks at the clock: timers of the event loop are too coarse, spinning would take a core. */
const PAUSE_MS = 0.2;
const LONG_PAUSE_MS = 4;
const pauseCell = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps to the point (long waits by a timer), and lets the event loop run once. */
export async function pause(untilDueMs) {
  if (untilDueMs > LONG_PAUSE_MS) await sleep(untilDueMs - LONG_PAUSE_MS / 2);
  else {
    Atomics.wait(pauseCell, 0, 0, Math.max(PAUSE_MS, Math.min(untilDueMs, 1)));
    await new Promise(setImmediate);
  }
}

function writeId({ frame, idAt }, id) {
  frame[idAt] = (id & 127) | 128;
  frame[idAt + 1] = ((id >> 7) & 127) | 128;
  frame[idAt + 2] = id >> 14;
  mask(frame, idAt, 3, 1);
}

function writeTime({ frame, timeAt, timePhase }, dueMs) {
  plainTime.writeDoubleLE(dueMs);
  plainTime.copy(frame, timeAt);
  mask(frame, timeAt, TIME_BYTES, timePhase);
}

/** Small frames are copied into one write; large ones are written by themselves, with one system call for all. */
function writeTogether(connection, frames) {
  if (frames.length === 0) return;
  if (frames[0].length < 16_384) connection.write(frames.length === 1 ? frames[0] : Buffer.concat(frames));
  else connection.writeAll(frames);
}
