/**
 * Sends the dead messages of one partition to their exchange. They are in flight with the queue itself meanwhile, and settled when every target has
 * confirmed: a crash in between brings them back. What is on its way is bounded; the rest waits in the log.
 */
import { Deque } from '../../base/deque.js';
import { CodedError } from '../../base/errors.js';
import { readUtf8 } from '../../base/utf8.js';
import { otherHeaders, readEnvelope } from '../../record/amqp/envelope.js';
import type { FieldValue } from '../../record/amqp/field-table.js';
import { deliveryModeOf, EMPTY_PROPERTIES, encodeProperties } from '../../record/amqp/properties.js';
import { StorageError } from '../../storage/errors.js';
import { BrokerError, type BrokerErrorCode } from '../errors.js';
import type { QueuePolicy } from '../model.js';
import { type PublishListener, type RecordView, SettleOutcome } from '../ports.js';
import { withBcc } from '../routing/carbon-copies.js';
import type { QueueCounters } from './counters.js';
import { type DeathReason, deadLetterProperties, isDeathCycle } from './death-headers.js';
import type { DueTarget } from './due-times.js';
import { DEAD_LETTER_CREDIT, DEAD_LETTER_CREDIT_BYTES, DEAD_LETTER_RETRY_MS } from './limits.js';
import { DEAD_LETTER_CONSUMER, type EngineHost, type EngineParts, type QueueIdentity } from './parts.js';

const PERSISTENT = 2;
const NOTHING = new Uint8Array(0);
/** What goes over by itself, whatever the queue's strategy: nothing is lost for it. */
const PASSING: ReadonlySet<BrokerErrorCode> = new Set([
  'log-offline',
  'no-space',
  'shutting-down',
  'timeout',
  'internal',
]);

/** A dead message that waits in the log for room on the way. */
interface Waiting {
  readonly offset: number;
  readonly reason: DeathReason;
}

/** One on its way. */
interface Sent extends Waiting {
  readonly bytes: number;
  /** Outcomes still to come; below 0 while publishing has not returned. */
  outcomes: number;
  error: BrokerError | undefined;
}

/** Of a message that was never stored in its queue: nothing is to be settled. */
const NOT_STORED = -1;

/** See the top of this file. */
export class DeadLetters implements PublishListener, DueTarget {
  dueAtMs = Number.POSITIVE_INFINITY;
  private readonly parts: EngineParts;
  private readonly identity: QueueIdentity;
  private policy: QueuePolicy;
  private readonly host: EngineHost;
  private readonly counters: QueueCounters;
  private exchange: string;
  private readonly waiting = new Deque<Waiting>();
  /** What could not be published, until the next try. */
  private failed: Waiting[] = [];
  private readonly sent = new Map<number, Sent>();
  private bytes = 0;
  private nextToken = 1;

  constructor(
    exchange: string,
    policy: QueuePolicy,
    parts: EngineParts,
    identity: QueueIdentity,
    host: EngineHost,
    counters: QueueCounters,
  ) {
    this.exchange = exchange;
    this.policy = policy;
    this.parts = parts;
    this.identity = identity;
    this.host = host;
    this.counters = counters;
  }

  /** What leaves from now on goes where this policy says. */
  changePolicy(policy: QueuePolicy): void {
    this.policy = policy;
    this.exchange = policy.deadLetterExchange ?? this.exchange;
  }

  /** Whether another one may leave now: the head of the queue waits otherwise. */
  get hasRoom(): boolean {
    return this.waiting.length === 0 && this.hasCredit;
  }

  private get hasCredit(): boolean {
    return this.sent.size + this.failed.length < DEAD_LETTER_CREDIT && this.bytes < DEAD_LETTER_CREDIT_BYTES;
  }

  /** Sends a message that the queue itself holds; `record` is borrowed. */
  send(record: RecordView, reason: DeathReason): void {
    this.publish(record, { offset: record.offset, reason });
  }

  /** Sends one that was refused and is in no log. */
  sendRefused(record: RecordView): void {
    this.publish({ ...record, offset: NOT_STORED }, { offset: NOT_STORED, reason: 'maxlen' });
  }

  /** Sends a message that the queue itself holds, when there is room. */
  enqueue(offset: number, reason: DeathReason): void {
    this.waiting.pushBack({ offset, reason });
    this.host.touch();
  }

  /** Sends what waits, as far as there is room. */
  pump(): void {
    if (this.waiting.length === 0) return;
    while (this.hasCredit) {
      const next = this.waiting.popFront();
      if (next === undefined) break;
      this.sendFromLog(next);
    }
    this.host.forget();
  }

  published(token: number): void {
    this.outcome(token, undefined);
  }

  publishFailed(token: number, error: BrokerError): void {
    this.outcome(token, error);
  }

  /** Time to try again what failed. */
  due(): void {
    const { failed } = this;
    this.failed = [];
    // In their old order, before what came later.
    for (let index = failed.length - 1; index >= 0; index--) this.waiting.pushFront(failed[index]!);
    this.host.touch();
  }

  private sendFromLog(letter: Waiting): void {
    let record: RecordView | undefined;
    try {
      record = this.host.read(letter.offset);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      if (error.code === 'no-space') {
        this.retry(letter);
        return;
      }
    }
    // What cannot be read any more cannot be sent.
    if (record?.offset === letter.offset) this.publish(record, letter);
    else this.lose(letter);
  }

  private publish(record: RecordView, { offset, reason }: Waiting): void {
    const token = this.nextToken++;
    const bytes = record.value?.length ?? 0;
    const letter: Sent = { offset, reason, bytes, outcomes: 0, error: undefined };
    this.sent.set(token, letter);
    this.bytes += bytes;
    let outcomes = 0;
    try {
      outcomes = this.route(record, reason, token);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      letter.error = error instanceof BrokerError ? error : new BrokerError('invalid-request', error.message, error);
    }
    const isUnroutable = outcomes === 0;
    letter.outcomes += outcomes;
    if (isUnroutable) this.unsent(token, letter);
    else if (letter.outcomes === 0) this.arrived(token, letter);
  }

  private route(record: RecordView, reason: DeathReason, token: number): number {
    const { exchange, policy, identity } = this;
    const { vhost, queue, partition } = identity;
    const before = asPublished(record, queue);
    const newRoutingKey = policy.deadLetterRoutingKey;
    const died = deadLetterProperties(before.properties, {
      queue,
      reason,
      timeMs: this.parts.clock.nowMs(),
      exchange: before.exchange,
      routingKey: before.routingKey,
      newRoutingKey,
    });
    // With keys of its own, the message goes to those that nobody sees, too.
    const isBlind = newRoutingKey === undefined && before.blindKeys !== undefined;
    const properties = isBlind ? withBcc(died, before.blindKeys) : died;
    const message = {
      exchange,
      routingKey: newRoutingKey ?? before.routingKey,
      properties,
      body: record.value ?? NOTHING,
      persistent: before.persistent,
    };
    const origin = { vhost, queue, partition, offset: Math.max(0, record.offset), reason };
    const isBarred = (target: string): boolean => isDeathCycle(properties, target, reason);
    return this.parts.publisher.publishDead({ vhost, message, origin, isBarred }, token, this);
  }

  private outcome(token: number, error: BrokerError | undefined): void {
    const letter = this.sent.get(token);
    if (letter === undefined) return;
    letter.error ??= error;
    // Below 0: publishing has not returned yet.
    if (--letter.outcomes === 0) this.arrived(token, letter);
  }

  /** Every target has answered. */
  private arrived(token: number, letter: Sent): void {
    this.leave(token, letter);
    const { error, reason } = letter;
    if (error === undefined) {
      this.counters.deadLettered[reason]++;
      this.settle(letter);
    } else if (this.isKept || PASSING.has(error.code)) this.retry(letter);
    else this.lose(letter);
  }

  /** Nobody was sent anything. */
  private unsent(token: number, letter: Sent): void {
    this.leave(token, letter);
    if (letter.error?.code === 'not-found') this.counters.missingExchange++;
    if (this.isKept && letter.error?.code !== 'invalid-request') this.retry(letter);
    else this.lose(letter);
  }

  private get isKept(): boolean {
    return this.policy.deadLetterStrategy === 'at-least-once';
  }

  private leave(token: number, letter: Sent): void {
    this.sent.delete(token);
    this.bytes -= letter.bytes;
  }

  private retry({ offset, reason }: Waiting): void {
    // What was never stored cannot be read again.
    if (offset === NOT_STORED) return;
    this.failed.push({ offset, reason });
    this.parts.due.at(this.parts.clock.nowMs() + DEAD_LETTER_RETRY_MS, this);
  }

  private lose(letter: Waiting): void {
    this.counters.lostDeadLetters++;
    this.settle(letter);
  }

  private settle({ offset }: Waiting): void {
    if (offset === NOT_STORED) return;
    this.host.cursor.settle(DEAD_LETTER_CONSUMER, offset, SettleOutcome.acknowledge);
    this.host.touch();
  }
}

interface Published {
  readonly exchange: string;
  readonly routingKey: string;
  readonly properties: Uint8Array;
  readonly persistent: boolean;
  readonly blindKeys?: readonly string[];
}

function asPublished(record: RecordView, queue: string): Published {
  const envelope = readEnvelope(record.headers);
  if (envelope === undefined) return withoutEnvelope(record, queue);
  return { ...envelope, persistent: deliveryModeOf(envelope.properties) === PERSISTENT };
}

/** A message of another door as AMQP would show it: its headers become those of the properties. */
function withoutEnvelope(record: RecordView, queue: string): Published {
  const headers = new Map<string, FieldValue>();
  for (const [name, value] of otherHeaders(record.headers)) {
    headers.set(name, value === null ? { type: 'void' } : { type: 'longstr', value });
  }
  const routingKey = record.key === null ? queue : readUtf8(record.key, 0, record.key.length);
  const properties = headers.size === 0 ? EMPTY_PROPERTIES : encodeProperties({ headers });
  return { exchange: '', routingKey, properties, persistent: true };
}
