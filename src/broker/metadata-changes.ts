/** The entries of the metadata log and their bytes; drawn in docs/formats/metadata.md. */
import { assert } from '../base/assert.js';
import { ByteReader, ByteWriter } from '../base/bytes.js';
import { DecodeError } from '../base/errors.js';
import { readAccessChange, writeAccessChange } from './access/access-changes.js';
import type { AccessChange } from './access/model.js';
import {
  readBinding,
  readExchange,
  readPartitions,
  readSettings,
  readStart,
  readText,
  writeBinding,
  writeExchange,
  writePartitions,
  writeSettings,
  writeStart,
  writeText,
} from './catalog/change-fields.js';
import { type Binding, DEFAULT_VHOST, type ExchangeEntry } from './model.js';
import type { StartAt, TopicEntry, TopicSettings } from './ports.js';

/** Must not be written: what it is about ends with this start of the node. */
interface MaybeVolatile {
  readonly volatile?: true;
}

/** One change of the metadata. Plain data: it goes to the shards as a structured clone. */
export type MetadataChange =
  | ({ readonly kind: 'create-topic'; readonly topic: TopicEntry } & MaybeVolatile)
  /** Makes a queue of a topic. Each partition's cursor begins at `start`. */
  | ({
      readonly kind: 'attach-cursor';
      readonly topicId: number;
      readonly settings: TopicSettings;
      readonly start: StartAt;
    } & MaybeVolatile)
  /** Its bindings are gone before. */
  | ({ readonly kind: 'delete-topic'; readonly topicId: number } & MaybeVolatile)
  | ({ readonly kind: 'create-exchange'; readonly exchange: ExchangeEntry } & MaybeVolatile)
  /** Its bindings are gone before. */
  | ({ readonly kind: 'delete-exchange'; readonly vhost: string; readonly name: string } & MaybeVolatile)
  | ({ readonly kind: 'bind'; readonly vhost: string; readonly binding: Binding } & MaybeVolatile)
  | ({ readonly kind: 'unbind'; readonly vhost: string; readonly binding: Binding } & MaybeVolatile)
  | ({ readonly kind: 'create-vhost'; readonly vhost: string } & MaybeVolatile)
  /** What was in it is gone before. */
  | ({ readonly kind: 'delete-vhost'; readonly vhost: string } & MaybeVolatile)
  /** Producer ids below `below` may have been given away. */
  | ({ readonly kind: 'reserve-producer-ids'; readonly below: number } & MaybeVolatile)
  /** A producer id was initialised again: older epochs are fenced. */
  | ({ readonly kind: 'producer-epoch'; readonly producerId: number; readonly epoch: number } & MaybeVolatile)
  /** Log ids below `below` may have been given away outside the metadata log. */
  | ({ readonly kind: 'reserve-log-ids'; readonly below: number } & MaybeVolatile)
  /** Users, permissions, policies, limits, parameters. */
  | ({ readonly kind: 'access'; readonly change: AccessChange } & MaybeVolatile);

/** Changes that are made together or not at all, and the version that they make. */
export interface MetadataStep {
  readonly version: number;
  readonly changes: readonly MetadataChange[];
}

/** A step as it is written: without what is volatile in it. */
export interface EncodedStep {
  readonly version: number;
  readonly bytes: Uint8Array;
}

const VERSION = 1;
const KIND = {
  'create-topic': 1,
  'attach-cursor': 2,
  'delete-topic': 3,
  'reserve-producer-ids': 4,
  'producer-epoch': 5,
  'reserve-log-ids': 6,
  'create-exchange': 7,
  'delete-exchange': 8,
  bind: 9,
  unbind: 10,
  'create-vhost': 11,
  'delete-vhost': 12,
  access: 16,
} as const satisfies Record<MetadataChange['kind'], number>;
/** A topic of a virtual host that is not the default one, which is what a topic of kind 1 is in. */
const KIND_CREATE_TOPIC_IN_VHOST = 13;
/** Several changes of one step. */
const KIND_STEP = 14;
/** Several steps that are written together. */
const KIND_GROUP = 15;
/** A group's writer may take what one record may hold (src/node/metadata-log.ts). */
const GROUP_BYTES_MAX = 64 * 1024 * 1024;

/** The bytes of one change; they are the caller's. @throws BugError for what must not be written. */
export function encodeChange(change: MetadataChange): Uint8Array {
  const writer = new ByteWriter(128);
  writeChange(writer, change);
  return writer.copy();
}

/** The bytes of a step's changes; at least one. @throws BugError for what must not be written. */
export function encodeStep(changes: readonly MetadataChange[]): Uint8Array {
  const [first] = changes;
  assert(first !== undefined, 'A step without changes is not written');
  if (changes.length === 1) return encodeChange(first);
  const writer = new ByteWriter(1024, GROUP_BYTES_MAX);
  writer.u8(VERSION);
  writer.u8(KIND_STEP);
  writer.uvarint(changes.length);
  for (const change of changes) {
    const bytes = encodeChange(change);
    writer.uvarint(bytes.length);
    writer.raw(bytes);
  }
  return writer.copy();
}

/** The bytes of one record: one step, or several of rising versions. @throws EncodeError beyond 64 MiB. */
export function encodeGroup(steps: readonly EncodedStep[]): Uint8Array {
  const [first] = steps;
  assert(first !== undefined, 'A group without steps is not written');
  if (steps.length === 1) return first.bytes;
  const writer = new ByteWriter(4096, GROUP_BYTES_MAX);
  writer.u8(VERSION);
  writer.u8(KIND_GROUP);
  writer.uvarint(steps.length);
  for (const { version, bytes } of steps) {
    writer.uvarint(version - first.version);
    writer.uvarint(bytes.length);
    writer.raw(bytes);
  }
  return writer.copy();
}

function writeChange(writer: ByteWriter, change: MetadataChange): void {
  assert(change.volatile !== true, `A volatile change is never written: ${change.kind}`);
  const inVhost = change.kind === 'create-topic' && (change.topic.vhost ?? DEFAULT_VHOST) !== DEFAULT_VHOST;
  writer.u8(VERSION);
  writer.u8(inVhost ? KIND_CREATE_TOPIC_IN_VHOST : KIND[change.kind]);
  switch (change.kind) {
    case 'create-topic':
      if (inVhost) writeText(writer, change.topic.vhost ?? DEFAULT_VHOST);
      writeTopic(writer, change.topic);
      break;
    case 'attach-cursor':
      writer.uvarint(change.topicId);
      writeSettings(writer, change.settings);
      writeStart(writer, change.start);
      break;
    case 'delete-topic':
      writer.uvarint(change.topicId);
      break;
    case 'create-exchange':
      writeExchange(writer, change.exchange);
      break;
    case 'delete-exchange':
      writeText(writer, change.vhost);
      writeText(writer, change.name);
      break;
    case 'bind':
    case 'unbind':
      writeText(writer, change.vhost);
      writeBinding(writer, change.binding);
      break;
    case 'create-vhost':
    case 'delete-vhost':
      writeText(writer, change.vhost);
      break;
    case 'producer-epoch':
      writer.uvarint(change.producerId);
      writer.uvarint(change.epoch);
      break;
    case 'access':
      writeAccessChange(writer, change.change);
      break;
    default:
      writer.uvarint(change.below);
  }
}

function writeTopic(writer: ByteWriter, topic: TopicEntry): void {
  writer.uvarint(topic.topicId);
  writeText(writer, topic.name);
  writeSettings(writer, topic.settings);
  writePartitions(writer, topic.partitions);
}

/** @throws DecodeError unless `bytes` are one change of a known version. */
export function decodeChange(bytes: Uint8Array): MetadataChange {
  const reader = new ByteReader(bytes);
  const change = readChange(reader, readKind(reader));
  refuseRest(reader);
  return change;
}

/** The changes of a step. @throws DecodeError unless `bytes` are one step of a known version. */
export function decodeStep(bytes: Uint8Array): MetadataChange[] {
  const reader = new ByteReader(bytes);
  if (readKind(reader) !== KIND_STEP) return [decodeChange(bytes)];
  const changes: MetadataChange[] = [];
  const count = reader.uvarint();
  for (let index = 0; index < count; index++) changes.push(decodeChange(reader.view(reader.uvarint())));
  refuseRest(reader);
  return changes;
}

/** The steps of a record whose first version is `version`. @throws DecodeError */
export function decodeGroup(version: number, bytes: Uint8Array): MetadataStep[] {
  const reader = new ByteReader(bytes);
  if (readKind(reader) !== KIND_GROUP) return [{ version, changes: decodeStep(bytes) }];
  const steps: MetadataStep[] = [];
  const count = reader.uvarint();
  for (let index = 0; index < count; index++) {
    const stepVersion = version + reader.uvarint();
    steps.push({ version: stepVersion, changes: decodeStep(reader.view(reader.uvarint())) });
  }
  refuseRest(reader);
  return steps;
}

function readKind(reader: ByteReader): number {
  const version = reader.u8();
  if (version !== VERSION) {
    throw new DecodeError(
      'invalid',
      `Cannot read a metadata change of version ${version}: version ${VERSION} is known`,
    );
  }
  return reader.u8();
}

function refuseRest(reader: ByteReader): void {
  if (reader.remaining > 0)
    throw new DecodeError('invalid', `A metadata change has ${reader.remaining} bytes too many`);
}

function readChange(reader: ByteReader, kind: number): MetadataChange {
  switch (kind) {
    case KIND['create-topic']:
      return { kind: 'create-topic', topic: readTopic(reader) };
    case KIND_CREATE_TOPIC_IN_VHOST: {
      const vhost = readText(reader);
      const { topicId, name, settings, partitions } = readTopic(reader);
      return { kind: 'create-topic', topic: { vhost, topicId, name, settings, partitions } };
    }
    case KIND['attach-cursor']:
      return {
        kind: 'attach-cursor',
        topicId: reader.uvarlong(),
        settings: readSettings(reader),
        start: readStart(reader),
      };
    case KIND['delete-topic']:
      return { kind: 'delete-topic', topicId: reader.uvarlong() };
    case KIND['create-exchange']:
      return { kind: 'create-exchange', exchange: readExchange(reader) };
    case KIND['delete-exchange']:
      return { kind: 'delete-exchange', vhost: readText(reader), name: readText(reader) };
    case KIND.bind:
      return { kind: 'bind', vhost: readText(reader), binding: readBinding(reader) };
    case KIND.unbind:
      return { kind: 'unbind', vhost: readText(reader), binding: readBinding(reader) };
    case KIND['create-vhost']:
      return { kind: 'create-vhost', vhost: readText(reader) };
    case KIND['delete-vhost']:
      return { kind: 'delete-vhost', vhost: readText(reader) };
    case KIND['reserve-producer-ids']:
      return { kind: 'reserve-producer-ids', below: reader.uvarlong() };
    case KIND['producer-epoch']:
      return { kind: 'producer-epoch', producerId: reader.uvarlong(), epoch: reader.uvarint() };
    case KIND['reserve-log-ids']:
      return { kind: 'reserve-log-ids', below: reader.uvarlong() };
    case KIND.access:
      return { kind: 'access', change: readAccessChange(reader) };
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
