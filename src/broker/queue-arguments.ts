/**
 * What the argument table of a queue means, and what RabbitMQ 3.10 refuses in one (rabbit_amqqueue.erl: check_declare_arguments). Arguments that no
 * queue type knows are accepted and mean nothing.
 */
import { decodeTable, type FieldTable, type FieldValue, integerOf, textOf } from '../record/amqp/field-table.js';
import { erlangString, erlangType, preconditionFailed, requireEqualArguments } from './catalog/sentences.js';
import { DEFAULT_QUEUE_POLICY, type OverflowPolicy, type QueuePolicy, type QueueType } from './model.js';
import type { TopicSettings } from './ports.js';

/** Ten years. */
const EXPIRY_MS_MAX = 315_360_000_000;
const PRIORITY_MAX = 255;
const STREAM_SEGMENT_BYTES_MAX = 3_000_000_000;
const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;
/** Units of x-max-age. */
const AGE_UNITS_MS: Readonly<Record<string, number>> = {
  Y: 365 * DAY_MS,
  M: 30 * DAY_MS,
  D: DAY_MS,
  h: HOUR_MS,
  m: 60 * SECOND_MS,
  s: SECOND_MS,
};

const TYPES: readonly string[] = ['classic', 'quorum', 'stream'];
const OVERFLOWS: readonly string[] = ['drop-head', 'reject-publish', 'reject-publish-dlx'];
const STRATEGIES: readonly string[] = ['at-most-once', 'at-least-once'];
const LOCATORS: readonly string[] = ['client-local', 'balanced', 'random', 'least-leaders'];

/** What is wrong with a value, as the Erlang term that RabbitMQ prints; undefined when nothing is. */
type Check = (value: FieldValue, table: FieldTable) => string | undefined;

const INTEGER_TYPES: ReadonlySet<string> = new Set(['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32']);

const integer: Check = (value) =>
  INTEGER_TYPES.has(value.type) ? undefined : erlangString(`expected integer, got ${erlangType(value)}`);

const notNegative: Check = (value, table) =>
  integer(value, table) ?? (numberOf(value) < 0 ? `{value_negative,${numberOf(value)}}` : undefined);

const notZero: Check = (value, table) =>
  notNegative(value, table) ?? (numberOf(value) === 0 ? '{value_zero,0}' : undefined);

const expiry: Check = (value, table) =>
  notNegative(value, table) ?? (numberOf(value) > EXPIRY_MS_MAX ? `{value_too_large,${numberOf(value)}}` : undefined);

const expires: Check = (value, table) => notZero(value, table) ?? expiry(value, table);

const priority: Check = (value, table) =>
  notNegative(value, table) ?? (numberOf(value) > PRIORITY_MAX ? `{max_value_exceeded,${numberOf(value)}}` : undefined);

const bool: Check = (value) => (value.type === 'boolean' ? undefined : unacceptable(value));

const text: Check = (value) => (value.type === 'longstr' ? undefined : unacceptable(value));

const deadLetterKey: Check = (value, table) =>
  text(value, table) ?? (table.has('x-dead-letter-exchange') ? undefined : 'routing_key_but_no_dlx_defined');

const version: Check = (value, table) => {
  const wrong = notNegative(value, table);
  if (wrong !== undefined) return wrong;
  const number = numberOf(value);
  return number === 1 || number === 2 ? undefined : erlangString(`unsupported queue version '${number}'`);
};

const maxAge: Check = (value, table) =>
  text(value, table) ?? (ageMs(textOf(value) ?? '') === undefined ? 'invalid_max_age' : undefined);

/** One of several texts; `otherwise` is what is said of all others. */
function oneOf(known: readonly string[], otherwise: (value: string) => string): Check {
  return (value, table) => {
    const given = textOf(value) ?? '';
    return text(value, table) ?? (known.includes(given) ? undefined : otherwise(given));
  };
}

const queueType = oneOf(TYPES, (given) => erlangString(`unsupported queue type '${given}'`));

/** In the order in which RabbitMQ looks at them. */
const CHECKS = new Map<string, Check>([
  ['x-expires', expires],
  ['x-message-ttl', expiry],
  ['x-dead-letter-exchange', text],
  ['x-dead-letter-routing-key', deadLetterKey],
  ['x-dead-letter-strategy', oneOf(STRATEGIES, () => 'invalid_dlx_strategy')],
  ['x-max-length', notNegative],
  ['x-max-length-bytes', notNegative],
  ['x-max-in-memory-length', notNegative],
  ['x-max-in-memory-bytes', notNegative],
  ['x-max-priority', priority],
  ['x-overflow', oneOf(OVERFLOWS, () => 'invalid_overflow')],
  ['x-queue-mode', oneOf(['default', 'lazy'], (given) => erlangString(`unsupported queue mode '${given}'`))],
  ['x-queue-version', version],
  ['x-single-active-consumer', bool],
  ['x-queue-type', queueType],
  ['x-quorum-initial-group-size', notZero],
  ['x-max-age', maxAge],
  ['x-stream-max-segment-size-bytes', notNegative],
  ['x-initial-cluster-size', notZero],
  ['x-queue-leader-locator', oneOf(LOCATORS, () => 'invalid_queue_locator_arg')],
  ['x-consumer-timeout', notNegative],
  ['x-retain', bool],
  ['x-deduplication-window', expires],
]);

/** What this broker knows beside RabbitMQ 3.10, for every type of queue. */
const OWN_ARGUMENTS: readonly string[] = ['x-consumer-timeout', 'x-retain', 'x-deduplication-window'];

/** The arguments that each type of queue knows, and by which declarations of it are compared, in RabbitMQ's order. */
const ARGUMENTS: Readonly<Record<QueueType, readonly string[]>> = {
  classic: [
    'x-expires',
    'x-message-ttl',
    'x-dead-letter-exchange',
    'x-dead-letter-routing-key',
    'x-max-length',
    'x-max-length-bytes',
    'x-max-priority',
    'x-overflow',
    'x-queue-mode',
    'x-queue-version',
    'x-single-active-consumer',
    'x-queue-type',
    'x-queue-master-locator',
    ...OWN_ARGUMENTS,
  ],
  quorum: [
    'x-dead-letter-exchange',
    'x-dead-letter-routing-key',
    'x-dead-letter-strategy',
    'x-expires',
    'x-max-length',
    'x-max-length-bytes',
    'x-max-in-memory-length',
    'x-max-in-memory-bytes',
    'x-overflow',
    'x-single-active-consumer',
    'x-queue-type',
    'x-quorum-initial-group-size',
    'x-delivery-limit',
    'x-message-ttl',
    'x-queue-leader-locator',
    ...OWN_ARGUMENTS,
  ],
  stream: [
    'x-max-length-bytes',
    'x-queue-type',
    'x-max-age',
    'x-stream-max-segment-size-bytes',
    'x-initial-cluster-size',
    'x-queue-leader-locator',
    ...OWN_ARGUMENTS,
  ],
};

const KNOWN: ReadonlySet<string> = new Set(Object.values(ARGUMENTS).flat());

/** What a queue is declared with beside its arguments. */
export interface QueueFlags {
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
}

/**
 * Refuses arguments that RabbitMQ would refuse, in its words. `subject` names the queue: `queue 'q' in vhost '/'`.
 * @throws BrokerError `precondition-failed`
 */
export function checkQueueArguments(table: FieldTable, flags: QueueFlags, subject: string): void {
  const exchange = table.get('x-dead-letter-exchange');
  if (exchange !== undefined && exchange.type !== 'longstr') {
    preconditionFailed(`invalid type '${erlangType(exchange)}' for arg 'x-dead-letter-exchange' in ${subject}`);
  }
  checkValue('x-queue-type', queueType, table, subject);
  const type = typeOf(table);
  const known = ARGUMENTS[type];
  for (const [key, check] of CHECKS) if (known.includes(key)) checkValue(key, check, table, subject);
  for (const key of table.keys()) {
    if (!KNOWN.has(key) || known.includes(key)) continue;
    preconditionFailed(`invalid arg '${key}' for ${subject} of queue type rabbit_${type}_queue`);
  }
  if (type !== 'classic') checkReplicated(table, flags, subject);
}

/** Quorum queues and streams are durable and shared. */
function checkReplicated(table: FieldTable, flags: QueueFlags, subject: string): void {
  if (flags.autoDelete) preconditionFailed(`invalid property 'auto-delete' for ${subject}`);
  if (flags.exclusive) preconditionFailed(`invalid property 'exclusive-owner' for ${subject}`);
  if (!flags.durable) preconditionFailed(`invalid property 'non-durable' for ${subject}`);
  if ((integerOf(table.get('x-stream-max-segment-size-bytes')) ?? 0) > STREAM_SEGMENT_BYTES_MAX) {
    preconditionFailed('Exceeded max value for x-stream-max-segment-size-bytes');
  }
}

function checkValue(key: string, check: Check, table: FieldTable, subject: string): void {
  const value = table.get(key);
  const wrong = value === undefined ? undefined : check(value, table);
  if (wrong !== undefined) preconditionFailed(`invalid arg '${key}' for ${subject}: ${wrong}`);
}

/** @throws BrokerError `precondition-failed` when a queue that exists with `current` is declared with `received`, and RabbitMQ sees a difference. */
export function requireEqualQueueArguments(subject: string, current: FieldTable, received: FieldTable): void {
  requireEqualArguments(subject, current, received, ARGUMENTS[typeOf(current)]);
}

/** The policy that a queue's argument table (AMQP's encoding, without its length) stands for. @throws DecodeError unless it is a table. */
export function parseQueuePolicy(encoded: Uint8Array): QueuePolicy {
  return encoded.length === 0 ? DEFAULT_QUEUE_POLICY : queuePolicy(decodeTable(encoded));
}

/** The policy of a queue as it is in force: its arguments, and what policies make of them. */
export function effectivePolicy({ queue, effectiveArguments }: TopicSettings): QueuePolicy {
  const encoded = effectiveArguments ?? queue?.arguments;
  return encoded === undefined ? DEFAULT_QUEUE_POLICY : parseQueuePolicy(encoded);
}

/** The policy that an argument table stands for. What has no meaning, which only unchecked tables have, is left out. */
export function queuePolicy(table: FieldTable): QueuePolicy {
  const number = (key: string, otherwise = -1): number => integerOf(table.get(key)) ?? otherwise;
  const flag = (key: string): boolean => {
    const value = table.get(key);
    return value?.type === 'boolean' && value.value;
  };
  const type = typeOf(table);
  return {
    type,
    messageTtlMs: number('x-message-ttl'),
    expiresMs: number('x-expires'),
    maxLength: number('x-max-length'),
    maxLengthBytes: number('x-max-length-bytes'),
    overflow: known(OVERFLOWS, textOf(table.get('x-overflow')), 'drop-head') as OverflowPolicy,
    deadLetterExchange: textOf(table.get('x-dead-letter-exchange')),
    deadLetterRoutingKey: textOf(table.get('x-dead-letter-routing-key')),
    deadLetterStrategy:
      textOf(table.get('x-dead-letter-strategy')) === 'at-least-once' ? 'at-least-once' : 'at-most-once',
    maxPriority: number('x-max-priority', 0),
    singleActiveConsumer: flag('x-single-active-consumer'),
    deliveryLimit: number('x-delivery-limit'),
    consumerTimeoutMs: number('x-consumer-timeout'),
    retain: flag('x-retain') || type === 'stream',
    deduplicationMs: number('x-deduplication-window'),
    maxAgeMs: ageMs(textOf(table.get('x-max-age')) ?? '') ?? -1,
  };
}

function typeOf(table: FieldTable): QueueType {
  // One of TYPES by `known`.
  return known(TYPES, textOf(table.get('x-queue-type')), 'classic') as QueueType;
}

function known(values: readonly string[], given: string | undefined, otherwise: string): string {
  return given !== undefined && values.includes(given) ? given : otherwise;
}

/** `7D` and the like in milliseconds; undefined for what is no age. */
export function ageMs(age: string): number | undefined {
  const match = /^(\d+)([YMDhms])$/.exec(age);
  const unit = AGE_UNITS_MS[match?.[2] ?? ''];
  const count = Number(match?.[1] ?? 0);
  return unit === undefined || count <= 0 ? undefined : Math.min(count * unit, Number.MAX_SAFE_INTEGER);
}

function unacceptable(value: FieldValue): string {
  return `{unacceptable_type,${erlangType(value)}}`;
}

function numberOf(value: FieldValue): number {
  return integerOf(value) ?? 0;
}
