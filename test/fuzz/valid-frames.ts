/** Valid requests of every kind, generated from proto/client.proto: a field that is added there is fuzzed without a change here. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import type { Prng } from '../../src/base/prng.js';
import { smallBatch } from './hostile-batches.js';
import { lengthField, numberField, type WireField } from './wire-tree.js';

/** The topic that valid publishes go to, of two partitions. */
export const TOPIC = 'fuzz-topic';
/** The queue that valid consumers read. */
export const QUEUE = 'fuzz-queue';
/** Topics that are declared, deleted and emptied at will. */
export const POOL: readonly string[] = Array.from({ length: 12 }, (_, index) => `fuzz-pool-${index}`);
/** Topics and queues that are not deleted, emptied or declared anew, because they are counted at the end. */
export const PROTECTED: ReadonlySet<string> = new Set([TOPIC, QUEUE, 'good-topic', 'good-queue', 'silent-topic']);

const root = process.env['DUOLOG_ROOT'] ?? process.cwd();
const schema = protobuf.parse(readFileSync(join(root, 'proto/client.proto'), 'utf8')).root;
schema.resolveAll();
const frame = schema.lookupType('duolog.client.v1.Frame');
/** Kinds below this number are requests. */
const FIRST_ANSWER = 40;
const requests = frame.fieldsArray.filter(({ id, partOf }) => partOf !== null && id < FIRST_ANSWER);

/** How often each kind comes; 10 where nothing is said. Declaring and deleting makes and removes files, so it comes seldom. */
const weights: Readonly<Record<string, number>> = {
  hello: 1,
  publish: 60,
  declare: 1,
  delete: 0.3,
  purge: 0.3,
  initProducer: 1,
};
const wheel = requests.map(({ name }) => weights[name] ?? 10);
const wheelTotal = wheel.reduce((sum, weight) => sum + weight, 0);

type Draw = (prng: Prng) => number | string | Uint8Array;
const anyName: Draw = (prng) => prng.pick([TOPIC, TOPIC, QUEUE, QUEUE, QUEUE, 'fuzz-none', ...POOL]);
const poolName: Draw = (prng) => prng.pick(POOL);
const small: Draw = (prng) => prng.below(4);

/** Values that make sense, by message and field, or by field alone. */
const sensible: Readonly<Record<string, Draw>> = {
  'Hello.version': () => 1,
  'Publish.to': (prng) => prng.pick([TOPIC, TOPIC, QUEUE, 'fuzz-none', prng.pick(POOL)]),
  'Publish.batch': (prng) => smallBatch(prng),
  'ProducerSequence.producer_id': (prng) => prng.below(20),
  'ProducerSequence.sequence': (prng) => prng.below(6),
  'InitProducer.producer_id': (prng) => prng.below(12),
  'Message.timestamp_ms': (prng) => prng.below(2 ** 40),
  'TopicSettings.name': poolName,
  'QueueSettings.name': poolName,
  'TopicSettings.partitions': (prng) => prng.below(3),
  'QueueSettings.partitions': (prng) => prng.below(3),
  'Delete.name': poolName,
  'Purge.name': poolName,
  to: anyName,
  from: anyName,
  name: anyName,
  partition: (prng) => prng.below(3),
  partitions: (prng) => prng.below(3),
  subscription: (prng) => prng.between(1, 4),
  offset: (prng) => prng.below(40),
  credit: (prng) => prng.below(50),
  add: (prng) => prng.below(50),
  prefetch: (prng) => prng.below(50),
  first: (prng) => prng.between(1, 5),
  last: (prng) => prng.between(3, 8),
  max_bytes: (prng) => prng.between(1, 4096),
  max_wait_ms: (prng) => prng.below(20),
  min_bytes: small,
  segment_bytes: (prng) => prng.pick([0, 0, 65_536]),
  segment_ms: () => 3_600_000,
  retention_ms: () => -1,
  retention_bytes: () => -1,
  group: (prng) => prng.pick(['fuzz-group', 'fuzz-other']),
};

function drawFor(field: protobuf.Field): Draw | undefined {
  return sensible[`${field.parent?.name}.${field.name}`] ?? sensible[field.name];
}

function oneField(field: protobuf.Field, prng: Prng): WireField {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return lengthField(field.id, messageFields(resolvedType, prng));
  if (resolvedType instanceof protobuf.Enum)
    return numberField(field.id, prng.pick(Object.values(resolvedType.values)));
  const drawn = drawFor(field)?.(prng);
  if (typeof drawn === 'number') return numberField(field.id, drawn);
  if (drawn !== undefined) return lengthField(field.id, drawn);
  if (field.type === 'bool') return numberField(field.id, prng.below(2));
  if (field.type === 'bytes') return lengthField(field.id, prng.bytes(prng.below(24)));
  if (field.type === 'string') return lengthField(field.id, prng.pick(['', 'a', 'fuzz', 'käse']));
  return numberField(field.id, prng.below(100));
}

function messageFields(type: protobuf.Type, prng: Prng): WireField[] {
  const fields: WireField[] = [];
  const chosen = new Map(type.oneofsArray.map((oneof) => [oneof.name, prng.pick(oneof.fieldsArray)]));
  for (const declared of type.fieldsArray) {
    const field = declared.resolve() as protobuf.Field;
    const group = field.partOf;
    // A field that is `optional` is the only one of a oneof of its own.
    const isOffered =
      group === null || group.fieldsArray.length === 1 ? prng.chance(0.7) : chosen.get(group.name) === field;
    if (!isOffered) continue;
    const count = field.repeated ? prng.between(1, 3) : 1;
    for (let left = count; left > 0; left--) fields.push(oneField(field, prng));
  }
  return fields;
}

function pickKind(prng: Prng): protobuf.Field {
  let at = prng.nextFloat() * wheelTotal;
  for (const [index, weight] of wheel.entries()) {
    at -= weight;
    if (at < 0) return requests[index]!;
  }
  return requests[0]!;
}

/** A publish has messages or a batch, not both, and a batch has no producer fields beside it. */
function separatePublish(fields: WireField[], prng: Prng): WireField[] {
  const isBatch = prng.chance(0.2);
  return fields.filter(({ number }) => (isBatch ? number !== 3 && number !== 6 : number !== 4));
}

/** Names of all kinds of requests. */
export const requestKinds: readonly string[] = requests.map(({ name }) => name);

/** One request as a tree: its id and its kind. A Hello comes seldom, since it ends the session. */
export function validFrame(prng: Prng, id: number): WireField[] {
  const kind = pickKind(prng).resolve() as protobuf.Field;
  const type = kind.resolvedType as protobuf.Type;
  let fields = messageFields(type, prng);
  if (type.name === 'Publish') fields = separatePublish(fields, prng);
  return [numberField(1, id), lengthField(kind.id, fields)];
}
