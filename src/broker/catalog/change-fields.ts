/** Parts of a metadata change and their bytes; drawn in docs/formats/metadata.md. */
import { assert } from '../../base/assert.js';
import type { ByteReader, ByteWriter } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { utf8Size } from '../../base/utf8.js';
import { ARGUMENTS_BYTES_MAX, PARTITIONS_PER_TOPIC_MAX, SHORT_STRING_BYTES_MAX } from '../metadata-limits.js';
import type { Binding, ExchangeEntry, ExchangeType, QueueSettings } from '../model.js';
import type { DurabilityLevel, PartitionEntry, StartAt, TopicSettings } from '../ports.js';

const START_BEGINNING = 0;
const START_END = 1;
const START_TIMESTAMP = 2;

/** Numbers of the settings in a list of pairs, so that later versions may add some. */
const SETTING = {
  kind: 1,
  durability: 2,
  retentionMs: 3,
  retentionBytes: 4,
  segmentBytes: 5,
  segmentMs: 6,
  lingerMs: 7,
} as const satisfies Record<Exclude<keyof TopicSettings, 'queue' | 'effectiveArguments'>, number>;
/** What a queue was declared with: its flags, and behind them its argument table. Only queues of the RabbitMQ model have it. */
const SETTING_QUEUE = 8;

const QUEUE_DURABLE = 1;
const QUEUE_AUTO_DELETE = 2;

const EXCHANGE_DURABLE = 1;
const EXCHANGE_AUTO_DELETE = 2;
const EXCHANGE_INTERNAL = 4;
const EXCHANGE_ALTERNATE = 8;
/** An exchange type's number is its place here. */
const EXCHANGE_TYPES: readonly ExchangeType[] = ['direct', 'fanout', 'topic', 'headers', 'x-delayed-message'];

/** Writes a text with its length in bytes before it. */
export function writeText(writer: ByteWriter, text: string): void {
  writer.uvarint(utf8Size(text));
  writer.utf8(text);
}

/** Reads what `writeText` wrote. @throws DecodeError */
export function readText(reader: ByteReader): string {
  const length = reader.uvarint();
  if (length > SHORT_STRING_BYTES_MAX) {
    throw new DecodeError(
      'invalid',
      `A metadata change has a name of ${length} bytes: the limit is ${SHORT_STRING_BYTES_MAX}`,
    );
  }
  return reader.utf8Strict(length);
}

function writeTable(writer: ByteWriter, table: Uint8Array): void {
  writer.uvarint(table.length);
  writer.raw(table);
}

const NO_ARGUMENTS = new Uint8Array(0);

/** A copy: what was read from belongs to a whole file. */
function readTable(reader: ByteReader): Uint8Array {
  const length = reader.uvarint();
  if (length > ARGUMENTS_BYTES_MAX) {
    throw new DecodeError(
      'invalid',
      `A metadata change has arguments of ${length} bytes: the limit is ${ARGUMENTS_BYTES_MAX}`,
    );
  }
  return length === 0 ? NO_ARGUMENTS : reader.view(length).slice();
}

/** Writes a topic's settings as pairs of number and value, so that later versions may add some. */
export function writeSettings(writer: ByteWriter, settings: TopicSettings): void {
  const pairs: (readonly [number, number])[] = [
    [SETTING.kind, settings.kind === 'queue' ? 1 : 0],
    [SETTING.durability, settings.durability],
    [SETTING.retentionMs, settings.retentionMs],
    [SETTING.retentionBytes, settings.retentionBytes],
    [SETTING.segmentBytes, settings.segmentBytes],
    [SETTING.segmentMs, settings.segmentMs],
    [SETTING.lingerMs, settings.lingerMs],
  ];
  const { queue } = settings;
  writer.uvarint(pairs.length + (queue === undefined ? 0 : 1));
  for (const [setting, value] of pairs) {
    writer.uvarint(setting);
    writer.varlong(value);
  }
  if (queue === undefined) return;
  assert(queue.exclusiveOwner === '', 'An exclusive queue ends with its connection and is never written');
  writer.uvarint(SETTING_QUEUE);
  writer.varlong((queue.durable ? QUEUE_DURABLE : 0) | (queue.autoDelete ? QUEUE_AUTO_DELETE : 0));
  writeTable(writer, queue.arguments);
}

/** A setting that a newer version added is an error: it may change what must happen to the messages. */
export function readSettings(reader: ByteReader): TopicSettings {
  const values = new Map<number, number>();
  let queue: QueueSettings | undefined;
  const count = reader.uvarint();
  for (let index = 0; index < count; index++) {
    const setting = reader.uvarint();
    if (setting < SETTING.kind || setting > SETTING_QUEUE) {
      throw new DecodeError('invalid', `A metadata change has an unknown setting: ${setting}`);
    }
    const number = reader.varlong();
    if (setting === SETTING_QUEUE) queue = queueSettings(number, readTable(reader));
    else values.set(setting, number);
  }
  const value = (setting: keyof typeof SETTING): number => {
    const found = values.get(SETTING[setting]);
    if (found === undefined) throw new DecodeError('invalid', `A metadata change lacks the setting ${setting}`);
    return found;
  };
  const settings: TopicSettings = {
    kind: value('kind') === 1 ? 'queue' : 'topic',
    durability: durabilityOf(value('durability')),
    retentionMs: value('retentionMs'),
    retentionBytes: value('retentionBytes'),
    segmentBytes: value('segmentBytes'),
    segmentMs: value('segmentMs'),
    lingerMs: value('lingerMs'),
  };
  return queue === undefined ? settings : { ...settings, queue };
}

function queueSettings(flags: number, table: Uint8Array): QueueSettings {
  if (flags < 0 || flags > (QUEUE_DURABLE | QUEUE_AUTO_DELETE)) {
    throw new DecodeError('invalid', `A metadata change has a queue with unknown flags: ${flags}`);
  }
  return {
    durable: (flags & QUEUE_DURABLE) !== 0,
    autoDelete: (flags & QUEUE_AUTO_DELETE) !== 0,
    exclusiveOwner: '',
    arguments: table,
  };
}

function durabilityOf(value: number): DurabilityLevel {
  if (value === 1 || value === 2 || value === 3) return value;
  throw new DecodeError('invalid', `A metadata change has an unknown durability: ${value}`);
}

/** Writes the partitions in their order: log id and slot. */
export function writePartitions(writer: ByteWriter, partitions: readonly PartitionEntry[]): void {
  writer.uvarint(partitions.length);
  for (const { logId, slot } of partitions) {
    writer.uvarint(logId);
    writer.uvarint(slot);
  }
}

/** Reads what `writePartitions` wrote. @throws DecodeError */
export function readPartitions(reader: ByteReader): PartitionEntry[] {
  const count = reader.uvarint();
  if (count > PARTITIONS_PER_TOPIC_MAX) {
    throw new DecodeError(
      'invalid',
      `A metadata change has ${count} partitions: the limit is ${PARTITIONS_PER_TOPIC_MAX}`,
    );
  }
  const partitions: PartitionEntry[] = [];
  for (let partition = 0; partition < count; partition++) {
    partitions.push({ partition, logId: reader.uvarlong(), slot: reader.uvarint() });
  }
  return partitions;
}

/** Writes where a cursor begins. */
export function writeStart(writer: ByteWriter, start: StartAt): void {
  writer.u8(start.at === 'beginning' ? START_BEGINNING : start.at === 'end' ? START_END : START_TIMESTAMP);
  if (start.at === 'timestamp') writer.varlong(start.timestampMs);
}

/** Reads what `writeStart` wrote. @throws DecodeError */
export function readStart(reader: ByteReader): StartAt {
  const at = reader.u8();
  if (at === START_BEGINNING) return { at: 'beginning' };
  if (at === START_END) return { at: 'end' };
  if (at === START_TIMESTAMP) return { at: 'timestamp', timestampMs: reader.varlong() };
  throw new DecodeError('invalid', `A metadata change starts a cursor at an unknown place: ${at}`);
}

/** Writes an exchange without its virtual host's other parts. */
export function writeExchange(writer: ByteWriter, exchange: ExchangeEntry): void {
  const { vhost, name, type, routesAs, durable, autoDelete, internal } = exchange;
  // What a policy gives is found again from the policy.
  const alternate = exchange.alternateByPolicy === true ? undefined : exchange.alternate;
  writeText(writer, vhost);
  writeText(writer, name);
  writer.u8(EXCHANGE_TYPES.indexOf(type));
  writer.u8(EXCHANGE_TYPES.indexOf(routesAs));
  writer.u8(
    (durable ? EXCHANGE_DURABLE : 0) |
      (autoDelete ? EXCHANGE_AUTO_DELETE : 0) |
      (internal ? EXCHANGE_INTERNAL : 0) |
      (alternate === undefined ? 0 : EXCHANGE_ALTERNATE),
  );
  if (alternate !== undefined) writeText(writer, alternate);
  writeTable(writer, exchange.arguments);
}

/** Reads what `writeExchange` wrote. @throws DecodeError */
export function readExchange(reader: ByteReader): ExchangeEntry {
  const vhost = readText(reader);
  const name = readText(reader);
  const type = exchangeType(reader.u8());
  const routesAs = exchangeType(reader.u8());
  if (routesAs === 'x-delayed-message') {
    throw new DecodeError('invalid', `A metadata change has an exchange that routes as ${routesAs}`);
  }
  const flags = reader.u8();
  if (flags > 15) throw new DecodeError('invalid', `A metadata change has an exchange with unknown flags: ${flags}`);
  return {
    vhost,
    name,
    type,
    routesAs,
    durable: (flags & EXCHANGE_DURABLE) !== 0,
    autoDelete: (flags & EXCHANGE_AUTO_DELETE) !== 0,
    internal: (flags & EXCHANGE_INTERNAL) !== 0,
    alternate: (flags & EXCHANGE_ALTERNATE) === 0 ? undefined : readText(reader),
    arguments: readTable(reader),
  };
}

function exchangeType(number: number): ExchangeType {
  const type = EXCHANGE_TYPES[number];
  if (type === undefined) throw new DecodeError('invalid', `A metadata change has an unknown exchange type: ${number}`);
  return type;
}

/** Writes a binding of a virtual host. */
export function writeBinding(writer: ByteWriter, binding: Binding): void {
  writeText(writer, binding.source);
  writer.u8(binding.destinationKind === 'queue' ? 0 : 1);
  writeText(writer, binding.destination);
  writeText(writer, binding.routingKey);
  writeTable(writer, binding.arguments);
}

/** Reads what `writeBinding` wrote. @throws DecodeError */
export function readBinding(reader: ByteReader): Binding {
  const source = readText(reader);
  const kind = reader.u8();
  if (kind > 1) throw new DecodeError('invalid', `A metadata change binds an unknown kind of destination: ${kind}`);
  return {
    source,
    destinationKind: kind === 0 ? 'queue' : 'exchange',
    destination: readText(reader),
    routingKey: readText(reader),
    arguments: readTable(reader),
  };
}
