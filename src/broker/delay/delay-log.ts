/**
 * One log of messages that wait for their time, on the shard that owns it: fires what is due, and settles it when its queues have it. It takes the place
 * of the log's consumers, as the engine of its rules. docs/design/queue-model.md says how; no I/O.
 */
import type { TimerHandle } from '../../io/ports.js';
import { messageIdOf } from '../../record/amqp/properties.js';
import { RecordCursor } from '../../record/record-reader.js';
import { StorageError } from '../../storage/errors.js';
import { BrokerError } from '../errors.js';
import type { RoutedMessage } from '../model.js';
import type { StoredRecord } from '../push-reader.js';
import type { HeadVerdict, QueuePolicyEngine } from '../queue-policies.js';
import { firedProperties } from './delay-header.js';
import { DelayIndex, type NewEntry } from './delay-index.js';
import { Firing, mayPass, type Shot } from './firing.js';
import { type HeldMessage, idHash, idHashOf, readHeld } from './held-record.js';
import { CLOCK_CHECK_MS, FIRING_SLICE_MS, LOOK_AGAIN_MS, RETRY_MS } from './limits.js';
import type { DelayHost, DelayParts } from './parts.js';

const NO_BODY = new Uint8Array(0);
/** The clock is read once for so many messages. */
const FIRED_PER_LOOK = 16;

/** What is held; `nextFireMs` is -1 when nothing is, or when only the log knows. */
export interface DelayedCounts {
  readonly held: number;
  readonly nextFireMs: number;
}

interface Retry {
  readonly shot: Shot;
  readonly dueMonotonicMs: number;
}

/** See the top of this file. */
export class DelayLog implements QueuePolicyEngine {
  readonly hasSingleActive = false;
  /** How late messages were fired, in ms: sum, number and the latest; for metrics. */
  readonly lateness = { sumMs: 0, fired: 0, maxMs: 0 };
  private readonly host: DelayHost;
  private readonly parts: DelayParts;
  private readonly index: DelayIndex;
  private readonly firing = new Firing((shot) => this.finished(shot));
  private readonly records = new RecordCursor();
  /** Appended, and not to be seen yet. */
  private unseen: NewEntry[] = [];
  private readonly retries: Retry[] = [];
  private timer: TimerHandle | undefined;
  private timerMonotonicMs = 0;
  private mustLookAgain = false;
  private isRunning = false;

  constructor(host: DelayHost, parts: DelayParts) {
    this.host = host;
    this.parts = parts;
    this.index = new DelayIndex(host, parts, (offset) => this.firing.has(offset));
  }

  /** Bytes of the index. */
  get indexBytes(): number {
    return this.index.sizeBytes;
  }

  /** Fires from now on: the router knows everything, and other shards can be reached. */
  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.index.start();
    this.host.touch();
  }

  /** Fires nothing any more; what is on its way is still settled. */
  stop(): void {
    this.isRunning = false;
    this.clearTimer();
  }

  /** An exchange was deleted: what is held for it goes. */
  exchangeDeleted(vhost: string, exchange: string): void {
    this.index.exchangeDeleted(vhost, exchange);
  }

  /** Takes out what is held of an exchange under a message id, but for what is on its way already. Returns how many messages. */
  cancel(vhost: string, exchange: string, messageId: string): Promise<number> {
    const matches = ({ vhost: ofVhost, envelope, exchange: at }: HeldMessage): boolean =>
      ofVhost === vhost && at === exchange && messageIdOf(envelope.properties) === messageId;
    let count = this.cancelNear(vhost, exchange, idHash(messageId), matches);
    if (this.index.isComplete) return Promise.resolve(count);
    const takes = (held: HeldMessage): boolean => {
      const isMatch = matches(held);
      if (isMatch) count++;
      return isMatch;
    };
    return new Promise((resolve) => this.index.wish({ takes, done: () => resolve(count) }));
  }

  /** How many messages are held for an exchange, or for a whole virtual host. */
  counts(vhost: string, exchange: string | undefined): DelayedCounts {
    const { held, nextFireMs } = this.index.counts(vhost, exchange);
    return { held, nextFireMs: nextFireMs === Number.POSITIVE_INFINITY ? -1 : nextFireMs };
  }

  // ---- QueuePolicyEngine ----

  admit(): undefined {
    return undefined;
  }

  notAppended(): void {}

  appended(batch: Uint8Array, baseOffset: number): void {
    const { records } = this;
    records.open(batch, 0);
    while (records.next()) {
      const headersAt = Math.max(records.valueStart, records.valueEnd);
      const held = readHeld(records.bytes.subarray(headersAt, records.recordEnd));
      if (held === undefined) continue;
      const { fireAtMs, vhost, envelope, exchange } = held;
      const { properties } = envelope;
      this.unseen.push({
        offset: baseOffset + records.offsetDelta,
        fireAtMs,
        idHash: idHashOf(properties),
        vhost,
        exchange,
      });
    }
  }

  withdrawn(fromOffset: number): void {
    this.unseen = this.unseen.filter(({ offset }) => offset < fromOffset);
  }

  visible(nextOffset: number): void {
    // Not in order of their offsets: those of a transaction come when it is decided.
    const { unseen } = this;
    let left = 0;
    for (let index = 0; index < unseen.length; index++) {
      const entry = unseen[index]!;
      if (entry.offset < nextOffset) this.index.add(entry);
      else unseen[left++] = entry;
    }
    unseen.length = left;
  }

  /** Nothing is delivered to consumers, ever. */
  beginTurn(): boolean {
    this.work();
    return false;
  }

  mayDeliver(): HeadVerdict {
    return 'wait';
  }

  delivered(): void {}

  endTurn(): void {}

  takeBack(): undefined {
    return undefined;
  }

  acknowledged(): void {}

  purged(): void {
    this.index.clear();
  }

  consumersChanged(): void {}

  used(): void {}

  close(): void {
    this.stop();
  }

  // ---- Inside ----

  private work(): void {
    if (!this.isRunning) return;
    this.mustLookAgain = false;
    const progress = this.index.advance();
    if (progress === 'more') this.host.touch();
    else if (progress === 'wait') this.mustLookAgain = true;
    this.fireAgain();
    this.fireDue();
    this.arm();
  }

  /** Fires what is due, as much as one turn and the credit allow. */
  private fireDue(): void {
    const { clock } = this.parts;
    const startedMs = clock.monotonicMs();
    let nowMs = clock.nowMs();
    for (let fired = 0; !this.firing.isFull && this.index.dueMs <= nowMs; fired++) {
      if (fired % FIRED_PER_LOOK === FIRED_PER_LOOK - 1) {
        nowMs = clock.nowMs();
        if (clock.monotonicMs() - startedMs >= FIRING_SLICE_MS) {
          this.host.touch();
          return;
        }
      }
      if (!this.parts.canFire || !this.fireNext(nowMs)) {
        this.mustLookAgain = true;
        return;
      }
    }
  }

  /** Fires the first message. False when that is not possible just now. */
  private fireNext(nowMs: number): boolean {
    const { index, host } = this;
    const { dueOffset: offset, dueExchange: exchange, dueMs } = index;
    if (host.cursor.isAcknowledged(offset)) {
      index.pop();
      return true;
    }
    if (offset >= host.visibleEnd) return false;
    const record = this.readAt(offset);
    if (record === 'later') return false;
    index.pop();
    this.measure(nowMs - dueMs);
    this.shoot(offset, exchange, record);
    return true;
  }

  private measure(lateMs: number): void {
    this.lateness.fired++;
    this.lateness.sumMs += lateMs;
    if (lateMs > this.lateness.maxMs) this.lateness.maxMs = lateMs;
  }

  /** The message at `offset`; undefined when it has gone or is damaged. */
  private readAt(offset: number): StoredRecord | undefined | 'later' {
    const { host } = this;
    try {
      const record = host.read(offset, host.visibleEnd);
      return record?.offset === offset ? record : undefined;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      if (error.code === 'no-space') return 'later';
      host.damaged(error);
      return undefined;
    }
  }

  /** Publishes a message to where it goes by now. */
  private shoot(offset: number, exchange: number, record: StoredRecord | undefined): void {
    const held = record === undefined ? undefined : readHeld(record.headers);
    if (record === undefined || held === undefined || this.index.isDropped(held.vhost, held.exchange, offset)) {
      this.index.settle(offset, exchange);
      return;
    }
    const shot = this.firing.begin(offset, exchange, record.sizeBytes);
    try {
      const { firing } = this;
      const { vhost, envelope, exchange: from } = held;
      const message = messageOf(held, record);
      firing.counted(shot, this.parts.fire(vhost, message, envelope.origin, shot.token, firing, from));
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      shot.mustRetry = mayPass(error);
      this.finished(shot);
    }
  }

  /** All of its queues have answered. */
  private finished(shot: Shot): void {
    if (shot.mustRetry) {
      // It keeps its part of the credit, so that a disk without room does not make ever more of them.
      this.retries.push({ shot, dueMonotonicMs: this.parts.clock.monotonicMs() + RETRY_MS });
    } else {
      this.firing.end(shot);
      this.index.settle(shot.offset, shot.exchange);
    }
    this.host.touch();
  }

  private fireAgain(): void {
    const { retries, firing } = this;
    const nowMs = this.parts.clock.monotonicMs();
    while (retries.length > 0 && retries[0]!.dueMonotonicMs <= nowMs) {
      const { shot } = retries[0]!;
      const record = this.parts.canFire ? this.readAt(shot.offset) : 'later';
      if (record === 'later') {
        this.mustLookAgain = true;
        return;
      }
      retries.shift();
      firing.end(shot);
      this.shoot(shot.offset, shot.exchange, record);
    }
  }

  private cancelNear(vhost: string, exchange: string, hash: number, matches: (held: HeldMessage) => boolean): number {
    const id = this.index.idOf(vhost, exchange);
    if (id === 0) return 0;
    let count = 0;
    for (const offset of this.index.withIdHash(hash)) {
      if (this.host.cursor.isAcknowledged(offset)) continue;
      const record = this.readAt(offset);
      if (record === undefined || record === 'later') continue;
      const held = readHeld(record.headers);
      if (held === undefined || !matches(held)) continue;
      this.index.settle(offset, id);
      count++;
    }
    return count;
  }

  /** Sees to it that somebody looks when the next message is due; earlier, since the clock may be set. */
  private arm(): void {
    if (!this.isRunning) return;
    const { clock, timers } = this.parts;
    const nowMs = clock.monotonicMs();
    let waitMs = this.firing.isFull ? Number.POSITIVE_INFINITY : this.index.dueMs - clock.nowMs();
    if (this.mustLookAgain) waitMs = LOOK_AGAIN_MS;
    if (this.retries.length > 0)
      waitMs = Math.min(waitMs, Math.max(LOOK_AGAIN_MS, this.retries[0]!.dueMonotonicMs - nowMs));
    if (waitMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.ceil(Math.min(CLOCK_CHECK_MS, Math.max(0, waitMs)));
    if (this.timer !== undefined) {
      if (this.timerMonotonicMs <= nowMs + delayMs) return;
      this.clearTimer();
    }
    this.timerMonotonicMs = nowMs + delayMs;
    this.timer = timers.setTimeout(() => {
      this.timer = undefined;
      this.work();
    }, delayMs);
    this.timer.unref();
  }

  private clearTimer(): void {
    if (this.timer !== undefined) this.parts.timers.clearTimeout(this.timer);
    this.timer = undefined;
  }
}

function messageOf({ envelope, byHeader, persistent }: HeldMessage, record: StoredRecord): RoutedMessage {
  const { exchange, routingKey, properties } = envelope;
  return {
    exchange,
    routingKey,
    properties: byHeader ? firedProperties(properties) : properties,
    body: record.value ?? NO_BODY,
    persistent,
  };
}
