/**
 * What a dead letter says about its deaths: the header `x-death` and the rule that breaks cycles, as rabbit_dead_letter.erl of RabbitMQ 3.10 has
 * them (3.13 adds `x-last-death-*`, which are here, too).
 */
import { encodeUtf8 } from '../../base/utf8.js';
import { decodeTable, EMPTY_TABLE, type FieldTable, type FieldValue, textOf } from '../../record/amqp/field-table.js';
import { type BasicProperties, encodeProperties, headersOf, readProperties } from '../../record/amqp/properties.js';

/** Why a message died. */
export type DeathReason = 'rejected' | 'expired' | 'maxlen' | 'delivery_limit';

/** One death of a message. */
export interface Death {
  readonly queue: string;
  readonly reason: DeathReason;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** Where the message had been published. */
  readonly exchange: string;
  readonly routingKey: string;
  /** The key that it is published with again; undefined = its own keys, CC included. */
  readonly newRoutingKey: string | undefined;
}

const X_DEATH = 'x-death';

/**
 * The properties of the dead letter: another entry of `x-death` or a higher count, no expiration, and no CC where a new routing key replaces all.
 * `properties` have been verified; the result is in bytes of its own.
 */
export function deadLetterProperties(properties: Uint8Array, death: Death): Uint8Array {
  const { expiration, ...kept }: BasicProperties = readProperties(properties);
  const headers = new Map(kept.headers ?? EMPTY_TABLE);
  const carbonCopies = longStrings(headers.get('CC'));
  recordDeath(headers, eventOf(death, carbonCopies, expiration), death);
  if (death.newRoutingKey !== undefined) headers.delete('CC');
  return encodeProperties({ ...kept, headers });
}

function eventOf(death: Death, carbonCopies: readonly FieldValue[], expiration: string | undefined): FieldTable {
  const event = new Map<string, FieldValue>([
    ['count', { type: 'int64', value: 1n }],
    ['reason', text(death.reason)],
    ['queue', text(death.queue)],
    ['time', { type: 'timestamp', value: BigInt(Math.floor(death.timeMs / 1000)) }],
    ['exchange', text(death.exchange)],
    ['routing-keys', { type: 'array', value: [text(death.routingKey), ...carbonCopies] }],
  ]);
  if (expiration !== undefined) event.set('original-expiration', text(expiration));
  return event;
}

function recordDeath(headers: Map<string, FieldValue>, event: FieldTable, { queue, reason, exchange }: Death): void {
  const before = headers.get(X_DEATH);
  if (before === undefined) noteDeath(headers, 'first', queue, reason, exchange);
  noteDeath(headers, 'last', queue, reason, exchange);
  // A client that sends a message again may have made a string of it: then the count begins anew.
  const deaths = before?.type === 'array' ? grouped(before.value) : [];
  const same = deaths.find((death) => isSame(death, queue, reason));
  const others = deaths.filter((death) => !isSame(death, queue, reason));
  // What happened again keeps what is said about its first time.
  const newest = same === undefined ? event : withCount(same, countOf(same) + 1n);
  headers.set(X_DEATH, {
    type: 'array',
    value: [newest, ...others].map((death): FieldValue => ({ type: 'table', value: death })),
  });
}

function noteDeath(
  headers: Map<string, FieldValue>,
  which: 'first' | 'last',
  queue: string,
  reason: string,
  exchange: string,
): void {
  headers.set(`x-${which}-death-reason`, text(reason));
  headers.set(`x-${which}-death-queue`, text(queue));
  headers.set(`x-${which}-death-exchange`, text(exchange));
}

/** The tables of an `x-death`: one for each queue and reason, with a count, however many a client or an old node has put there. */
function grouped(values: readonly FieldValue[]): FieldTable[] {
  const groups: FieldTable[] = [];
  for (const value of values) {
    if (value.type !== 'table') continue;
    const queue = textOf(value.value.get('queue'));
    const reason = textOf(value.value.get('reason'));
    if (groups.some((group) => isSame(group, queue, reason))) continue;
    const alike = values.filter((other) => other.type === 'table' && isSame(other.value, queue, reason)).length;
    groups.push(value.value.has('count') ? value.value : withCount(value.value, BigInt(alike)));
  }
  return groups;
}

function isSame(death: FieldTable, queue: string | undefined, reason: string | undefined): boolean {
  return textOf(death.get('queue')) === queue && textOf(death.get('reason')) === reason;
}

function countOf(death: FieldTable): bigint {
  const count = death.get('count');
  return count?.type === 'int64' ? count.value : 0n;
}

function withCount(death: FieldTable, count: bigint): FieldTable {
  return new Map<string, FieldValue>([...death, ['count', { type: 'int64', value: count }]]);
}

/**
 * Whether a dead letter with these properties has been in `queue` before, and came back to it without anybody having rejected it on the way: then it
 * must not go there once more. What was rejected just now may go everywhere.
 */
export function isDeathCycle(properties: Uint8Array, queue: string, reason: DeathReason): boolean {
  if (reason === 'rejected') return false;
  const headers = headersOf(properties);
  const deaths = headers === undefined ? undefined : decodeTable(headers).get(X_DEATH);
  if (deaths?.type !== 'array') return false;
  for (const death of deaths.value) {
    // Something that no node has put there: the way was not a node's alone.
    if (death.type !== 'table' || textOf(death.value.get('reason')) === 'rejected') return false;
    if (textOf(death.value.get('queue')) === queue) return true;
  }
  return false;
}

function longStrings(value: FieldValue | undefined): readonly FieldValue[] {
  return value?.type === 'array' ? value.value.filter(({ type }) => type === 'longstr') : [];
}

function text(value: string): FieldValue {
  return { type: 'longstr', value: encodeUtf8(value) };
}
