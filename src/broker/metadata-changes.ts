/** The entries of the metadata log and their bytes; drawn in docs/formats/metadata.md. */
import { ByteReader, ByteWriter } from '../base/bytes.js';
import { DecodeError } from '../base/errors.js';
import { utf8Size } from '../base/utf8.js';
import { PARTITIONS_PER_TOPIC_MAX, TOPIC_NAME_BYTES_MAX } from './metadata-limits.js';
import type { DurabilityLevel, PartitionEntry, StartAt, TopicEntry, TopicSettings } from './ports.js';

/** One change of the metadata. Plain data: it goes to the shards as a structured clone. */
export type MetadataChange =
  | { readonly kind: 'create-topic'; readonly topic: TopicEntry }
  /** Makes a queue of a topic. Each partition's cursor begins at `start`. */
  | {
      readonly kind: 'attach-cursor';
      readonly topicId: number;
      readonly settings: TopicSettings;
      readonly start: StartAt;
    }
  | { readonly kind: 'delete-topic'; readonly topicId: number }
  /** Producer ids below `below` may have been given away. */
  | { readonly kind: 'reserve-producer-ids'; readonly below: number }
  /** A producer id was initialised again: older epochs are fenced. */
  | { readonly kind: 'producer-epoch'; readonly producerId: number; readonly epoch: number }
  /** Log ids below `below` may have been given away outside the metadata log. */
  | { readonly kind: 'reserve-log-ids'; readonly below: number };

const VERSION = 1;
const KIND = {
  'create-topic': 1,
  'attach-cursor': 2,
  'delete-topic': 3,
  'reserve-producer-ids': 4,
  'producer-epoch': 5,
  'reserve-log-ids': 6,
} as const;

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
} as const satisfies Record<Exclude<keyof TopicSettings, 'queue'>, number>;

/** The bytes of one change; they are the caller's. */
export function encodeChange(change: MetadataChange): Uint8Array {
  const writer = new ByteWriter(128);
  writer.u8(VERSION);
  writer.u8(KIND[change.kind]);
  switch (change.kind) {
    case 'create-topic':
      writer.uvarint(change.topic.topicId);
      writeText(writer, change.topic.name);
      writeSettings(writer, change.topic.settings);
      writePartitions(writer, change.topic.partitions);
      break;
    case 'attach-cursor':
      writer.uvarint(change.topicId);
      writeSettings(writer, change.settings);
      writeStart(writer, change.start);
      break;
    case 'delete-topic':
      writer.uvarint(change.topicId);
      break;
    case 'producer-epoch':
      writer.uvarint(change.producerId);
      writer.uvarint(change.epoch);
      break;
    default:
      writer.uvarint(change.below);
  }
  return writer.copy();
}

/** @throws DecodeError unless `bytes` are one change of a known version. */
export function decodeChange(bytes: Uint8Array): MetadataChange {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) {
    throw new DecodeError(
      'invalid',
      `Cannot read a metadata change of version ${version}: version ${VERSION} is known`,
    );
  }
  const change = readChange(reader, reader.u8());
  if (reader.remaining > 0)
    throw new DecodeError('invalid', `A metadata change has ${reader.remaining} bytes too many`);
  return change;
}

function readChange(reader: ByteReader, kind: number): MetadataChange {
  switch (kind) {
    case KIND['create-topic']:
      return { kind: 'create-topic', topic: readTopic(reader) };
    case KIND['attach-cursor']:
      return {
        kind: 'attach-cursor',
        topicId: reader.uvarlong(),
        settings: readSettings(reader),
        start: readStart(reader),
      };
    case KIND['delete-topic']:
      return { kind: 'delete-topic', topicId: reader.uvarlong() };
    case KIND['reserve-producer-ids']:
      return { kind: 'reserve-producer-ids', below: reader.uvarlong() };
    case KIND['producer-epoch']:
      return { kind: 'producer-epoch', producerId: reader.uvarlong(), epoch: reader.uvarint() };
    case KIND['reserve-log-ids']:
      return { kind: 'reserve-log-ids', below: reader.uvarlong() };
    default:
      throw new DecodeError('invalid', `A metadata change is of an unknown kind: ${kind}`);
  }
}

function readTopic(reader: ByteReader): TopicEntry {
  return {
    topicId: reader.uvarlong(),
    name: readText(reader),
    settings: readSettings(reader),
    partitions: readPartitions(reader),
  };
}

/** Writes a text with its length in bytes before it. */
function writeText(writer: ByteWriter, text: string): void {
  writer.uvarint(utf8Size(text));
  writer.utf8(text);
}

function readText(reader: ByteReader): string {
  const length = reader.uvarint();
  if (length > TOPIC_NAME_BYTES_MAX) {
    throw new DecodeError(
      'invalid',
      `A metadata change has a name of ${length} bytes: the limit is ${TOPIC_NAME_BYTES_MAX}`,
    );
  }
  return reader.utf8Strict(length);
}

function writeSettings(writer: ByteWriter, settings: TopicSettings): void {
  const pairs: (readonly [number, number])[] = [
    [SETTING.kind, settings.kind === 'queue' ? 1 : 0],
    [SETTING.durability, settings.durability],
    [SETTING.retentionMs, settings.retentionMs],
    [SETTING.retentionBytes, settings.retentionBytes],
    [SETTING.segmentBytes, settings.segmentBytes],
    [SETTING.segmentMs, settings.segmentMs],
    [SETTING.lingerMs, settings.lingerMs],
  ];
  writer.uvarint(pairs.length);
  for (const [setting, value] of pairs) {
    writer.uvarint(setting);
    writer.varlong(value);
  }
}

/** A setting that a newer version added is an error: it may change what must happen to the messages. */
function readSettings(reader: ByteReader): TopicSettings {
  const values = new Map<number, number>();
  const count = reader.uvarint();
  for (let index = 0; index < count; index++) {
    const setting = reader.uvarint();
    if (setting < SETTING.kind || setting > SETTING.lingerMs) {
      throw new DecodeError('invalid', `A metadata change has an unknown setting: ${setting}`);
    }
    values.set(setting, reader.varlong());
  }
  const value = (setting: keyof typeof SETTING): number => {
    const found = values.get(SETTING[setting]);
    if (found === undefined) throw new DecodeError('invalid', `A metadata change lacks the setting ${setting}`);
    return found;
  };
  return {
    kind: value('kind') === 1 ? 'queue' : 'topic',
    durability: durabilityOf(value('durability')),
    retentionMs: value('retentionMs'),
    retentionBytes: value('retentionBytes'),
    segmentBytes: value('segmentBytes'),
    segmentMs: value('segmentMs'),
    lingerMs: value('lingerMs'),
  };
}

function durabilityOf(value: number): DurabilityLevel {
  if (value === 1 || value === 2 || value === 3) return value;
  throw new DecodeError('invalid', `A metadata change has an unknown durability: ${value}`);
}

function writePartitions(writer: ByteWriter, partitions: readonly PartitionEntry[]): void {
  writer.uvarint(partitions.length);
  for (const { logId, slot } of partitions) {
    writer.uvarint(logId);
    writer.uvarint(slot);
  }
}

function readPartitions(reader: ByteReader): PartitionEntry[] {
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

function writeStart(writer: ByteWriter, start: StartAt): void {
  writer.u8(start.at === 'beginning' ? START_BEGINNING : start.at === 'end' ? START_END : START_TIMESTAMP);
  if (start.at === 'timestamp') writer.varlong(start.timestampMs);
}

function readStart(reader: ByteReader): StartAt {
  const at = reader.u8();
  if (at === START_BEGINNING) return { at: 'beginning' };
  if (at === START_END) return { at: 'end' };
  if (at === START_TIMESTAMP) return { at: 'timestamp', timestampMs: reader.varlong() };
  throw new DecodeError('invalid', `A metadata change starts a cursor at an unknown place: ${at}`);
}
