/** What basic.consume says about reading by offset: where to begin, how many at once, and which messages. */
import type { Broker, PartitionPosition, TopicEntry } from '../../broker/ports.js';
import { ageMs } from '../../broker/queue-arguments.js';
import { isStream } from '../../broker/streams.js';
import { type FieldTable, type FieldValue, integerOf, textOf } from '../../record/amqp/field-table.js';
import type { ConsumeCommand } from './commands.js';
import { AmqpError, resourceText } from './errors.js';
import { Method } from './methods.js';

const METHOD = Method.basicConsume;
const OFFSET_ARGUMENT = 'x-stream-offset';
const FILTER_ARGUMENT = 'x-stream-filter';
const UNFILTERED_ARGUMENT = 'x-stream-match-unfiltered';
const FILTER_HEADER = 'x-stream-filter-value';
const SECOND_MS = 1000;
/** So far before the end the last message lies at most: the markers of transactions take offsets, and nobody is shown them. */
const LAST_LOOK_BACK = 4;

/** Where a reader begins. `last`: with the last batch that was written, as RabbitMQ begins with its last chunk. Times are milliseconds since 1970. */
export type StreamStart =
  | { readonly at: 'first' | 'last' | 'next' }
  | { readonly at: 'offset'; readonly offset: number }
  | { readonly at: 'time'; readonly timestampMs: number };

/** The messages that a reader wants by the value of their header `x-stream-filter-value`. */
export interface StreamFilter {
  readonly values: ReadonlySet<string>;
  /** Also messages without such a header. */
  readonly matchUnfiltered: boolean;
}

/** Whether a consumer reads by offset: from a stream, from a topic, and from a queue when it says so. */
export function readsByOffset(queue: TopicEntry, command: ConsumeCommand): boolean {
  return command.table.has(OFFSET_ARGUMENT) || queue.settings.kind === 'topic' || isStream(queue.settings);
}

/** @throws AmqpError `precondition-failed`, `not-implemented`: what RabbitMQ refuses of a stream's consumer. `limits` are those of basic.qos. */
export function checkStreamConsumer(
  queue: TopicEntry,
  vhost: string,
  noAck: boolean,
  limits: { readonly consumer: number; readonly channel: number },
): void {
  const subject = resourceText('queue', queue.name, vhost);
  if (limits.channel > 0) throw new AmqpError('not-implemented', `${subject} does not support global qos`, METHOD);
  if (limits.consumer === 0) {
    throw new AmqpError('precondition-failed', `consumer prefetch count is not set for stream ${subject}`, METHOD);
  }
  if (noAck) {
    const text = `automatic acknowledgement not supported by stream ${subject}`;
    throw new AmqpError('not-implemented', text, METHOD);
  }
}

/** The argument `x-stream-offset`: `first`, `last`, `next`, an age such as `1h`, an offset, or a timestamp; without it `next`. @throws AmqpError */
export function streamStart(table: FieldTable, nowMs: number): StreamStart {
  const value = table.get(OFFSET_ARGUMENT);
  if (value === undefined) return { at: 'next' };
  if (value.type === 'timestamp') return { at: 'time', timestampMs: Number(value.value) * SECOND_MS };
  const text = textOf(value);
  if (text === 'first' || text === 'last' || text === 'next') return { at: text };
  const age = text === undefined ? undefined : ageMs(text);
  if (age !== undefined) return { at: 'time', timestampMs: Math.max(0, nowMs - age) };
  const offset = integerOf(value);
  if (offset === undefined || offset < 0) throw invalidStart(value);
  return { at: 'offset', offset };
}

function invalidStart(value: FieldValue): AmqpError {
  const shown = textOf(value) ?? ('value' in value ? String(value.value) : value.type);
  return new AmqpError('precondition-failed', `invalid arg '${OFFSET_ARGUMENT}': ${shown}`, METHOD);
}

/** Where a reader begins in every partition. Offsets outside of the log mean its nearer end. */
export function startPositions(broker: Broker, topic: TopicEntry, start: StreamStart): PartitionPosition[] {
  return topic.partitions.map(({ partition }) => ({ partition, offset: startOffset(broker, topic, partition, start) }));
}

function startOffset(broker: Broker, topic: TopicEntry, partition: number, start: StreamStart): number {
  const { logStart, end } = broker.bounds(topic, partition);
  switch (start.at) {
    case 'first':
      return logStart;
    case 'last':
      // The reader passes over what lies before the last batch.
      return Math.max(logStart, end - LAST_LOOK_BACK);
    case 'next':
      return end;
    case 'offset':
      return Math.min(end, Math.max(logStart, start.offset));
    case 'time': {
      const { timestampMs } = start;
      return broker.offsetAt(topic, partition, { at: 'timestamp', timestampMs })?.offset ?? end;
    }
  }
}

/** The arguments `x-stream-filter`, one text or several, and `x-stream-match-unfiltered`. Undefined = everything is wanted. */
export function streamFilter(table: FieldTable): StreamFilter | undefined {
  const value = table.get(FILTER_ARGUMENT);
  const listed = value?.type === 'array' ? value.value : [value];
  if (value?.type !== 'array' && value?.type !== 'longstr') return undefined;
  const texts = listed.map((one) => textOf(one)).filter((text) => text !== undefined);
  const unfiltered = table.get(UNFILTERED_ARGUMENT);
  return { values: new Set(texts), matchUnfiltered: unfiltered?.type === 'boolean' && unfiltered.value };
}

/** Whether a message with these headers is wanted. */
export function passesFilter(filter: StreamFilter | undefined, headers: FieldTable): boolean {
  if (filter === undefined) return true;
  const value = textOf(headers.get(FILTER_HEADER));
  return value === undefined ? filter.matchUnfiltered : filter.values.has(value);
}
