/** The bytes of changes of who may do what; drawn in docs/formats/access.md. They stand in the metadata log as changes of kind 16. */
import type { ByteReader, ByteWriter } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { utf8Size } from '../../base/utf8.js';
import { readText, writeText } from '../catalog/change-fields.js';
import {
  DESCRIPTION_BYTES_MAX,
  JSON_BYTES_MAX,
  PATTERN_BYTES_MAX,
  TAGS_MAX,
  VERIFIER_BYTES_MAX,
  VERIFIERS_MAX,
} from './limits.js';
import type {
  AccessChange,
  JsonObject,
  JsonValue,
  ParameterEntry,
  PasswordVerifier,
  PolicyEntry,
  PolicyTarget,
  UserEntry,
  VhostMetadata,
} from './model.js';

const KIND = {
  seeded: 1,
  'put-user': 2,
  'delete-user': 3,
  'set-permission': 4,
  'clear-permission': 5,
  'set-topic-permission': 6,
  'clear-topic-permission': 7,
  'set-policy': 8,
  'clear-policy': 9,
  'set-vhost-limits': 10,
  'set-user-limits': 11,
  'set-vhost-metadata': 12,
  'set-parameter': 13,
  'clear-parameter': 14,
} as const satisfies Record<AccessChange['kind'], number>;

/** Numbers are places in these lists. */
const VERIFIER_KINDS: readonly PasswordVerifier['kind'][] = [
  'scram-sha-256',
  'scram-sha-512',
  'rabbit-sha256',
  'rabbit-sha512',
  'rabbit-md5',
];
const TARGETS: readonly PolicyTarget[] = ['all', 'queues', 'exchanges', 'classic_queues', 'quorum_queues', 'streams'];
const VHOST_LIMITS = ['max-connections', 'max-queues'] as const;
const USER_LIMITS = ['max-connections', 'max-channels'] as const;
const QUEUE_TYPES: readonly (VhostMetadata['defaultQueueType'] | undefined)[] = [
  undefined,
  'classic',
  'quorum',
  'stream',
];

/** Writes a change: its kind and what belongs to it. */
export function writeAccessChange(writer: ByteWriter, change: AccessChange): void {
  writer.u8(KIND[change.kind]);
  switch (change.kind) {
    case 'seeded':
      break;
    case 'put-user':
      writeUser(writer, change.user);
      break;
    case 'delete-user':
      writeText(writer, change.name);
      break;
    case 'set-policy':
      writePolicy(writer, change.policy);
      break;
    case 'clear-policy':
      writer.u8(change.operator ? 1 : 0);
      writeText(writer, change.vhost);
      writeText(writer, change.name);
      break;
    case 'set-parameter':
      writeParameterName(writer, change.parameter);
      writeJson(writer, change.parameter.value);
      break;
    case 'clear-parameter':
      writeParameterName(writer, change);
      break;
    default:
      writePermissionOrLimits(writer, change);
  }
}

type PermissionOrLimits = AccessChange & {
  kind:
    | 'set-permission'
    | 'clear-permission'
    | 'set-topic-permission'
    | 'clear-topic-permission'
    | 'set-vhost-limits'
    | 'set-user-limits'
    | 'set-vhost-metadata';
};

function writePermissionOrLimits(writer: ByteWriter, change: PermissionOrLimits): void {
  switch (change.kind) {
    case 'set-permission': {
      const { user, vhost, configure, write, read } = change.permission;
      for (const text of [user, vhost, configure, write, read]) writeLong(writer, text);
      break;
    }
    case 'clear-permission':
      for (const text of [change.user, change.vhost]) writeLong(writer, text);
      break;
    case 'set-topic-permission': {
      const { user, vhost, exchange, write, read } = change.permission;
      for (const text of [user, vhost, exchange, write, read]) writeLong(writer, text);
      break;
    }
    case 'clear-topic-permission':
      for (const text of [change.user, change.vhost, change.exchange]) writeLong(writer, text);
      break;
    case 'set-vhost-limits':
      writeText(writer, change.vhost);
      writeLimits(writer, VHOST_LIMITS, change.limits);
      break;
    case 'set-user-limits':
      writeText(writer, change.user);
      writeLimits(writer, USER_LIMITS, change.limits);
      break;
    default:
      writeText(writer, change.vhost);
      writeLong(writer, change.metadata.description);
      writeTags(writer, change.metadata.tags);
      writer.u8(QUEUE_TYPES.indexOf(change.metadata.defaultQueueType));
  }
}

/** Reads what `writeAccessChange` wrote. @throws DecodeError */
export function readAccessChange(reader: ByteReader): AccessChange {
  const kind = reader.u8();
  switch (kind) {
    case KIND.seeded:
      return { kind: 'seeded' };
    case KIND['put-user']:
      return { kind: 'put-user', user: readUser(reader) };
    case KIND['delete-user']:
      return { kind: 'delete-user', name: readText(reader) };
    case KIND['set-policy']:
      return { kind: 'set-policy', policy: readPolicy(reader) };
    case KIND['clear-policy']:
      return {
        kind: 'clear-policy',
        operator: readFlag(reader),
        vhost: readText(reader),
        name: readText(reader),
      };
    case KIND['set-parameter']:
      return { kind: 'set-parameter', parameter: { ...readParameterName(reader), value: readJson(reader) } };
    case KIND['clear-parameter']:
      return { kind: 'clear-parameter', ...readParameterName(reader) };
    default:
      return readPermissionOrLimits(reader, kind);
  }
}

function readPermissionOrLimits(reader: ByteReader, kind: number): AccessChange {
  switch (kind) {
    case KIND['set-permission']: {
      const [user, vhost, configure, write, read] = readLongs(reader, 5);
      return {
        kind: 'set-permission',
        permission: { user: user!, vhost: vhost!, configure: configure!, write: write!, read: read! },
      };
    }
    case KIND['clear-permission']: {
      const [user, vhost] = readLongs(reader, 2);
      return { kind: 'clear-permission', user: user!, vhost: vhost! };
    }
    case KIND['set-topic-permission']: {
      const [user, vhost, exchange, write, read] = readLongs(reader, 5);
      return {
        kind: 'set-topic-permission',
        permission: { user: user!, vhost: vhost!, exchange: exchange!, write: write!, read: read! },
      };
    }
    case KIND['clear-topic-permission']: {
      const [user, vhost, exchange] = readLongs(reader, 3);
      return { kind: 'clear-topic-permission', user: user!, vhost: vhost!, exchange: exchange! };
    }
    case KIND['set-vhost-limits']:
      return { kind: 'set-vhost-limits', vhost: readText(reader), limits: readLimits(reader, VHOST_LIMITS) };
    case KIND['set-user-limits']:
      return { kind: 'set-user-limits', user: readText(reader), limits: readLimits(reader, USER_LIMITS) };
    case KIND['set-vhost-metadata']:
      return { kind: 'set-vhost-metadata', vhost: readText(reader), metadata: readMetadata(reader) };
    default:
      throw new DecodeError('invalid', `A change of who may do what is of an unknown kind: ${kind}`);
  }
}

function writeUser(writer: ByteWriter, user: UserEntry): void {
  writeText(writer, user.name);
  writeTags(writer, user.tags);
  writer.uvarint(user.passwordVersion);
  writer.uvarint(user.verifiers.length);
  for (const verifier of user.verifiers) {
    writer.u8(VERIFIER_KINDS.indexOf(verifier.kind));
    if ('hash' in verifier) {
      writeBytes(writer, verifier.hash);
      continue;
    }
    writer.uvarint(verifier.iterations);
    for (const bytes of [verifier.salt, verifier.storedKey, verifier.serverKey]) writeBytes(writer, bytes);
  }
}

function readUser(reader: ByteReader): UserEntry {
  const name = readText(reader);
  const tags = readTags(reader);
  const passwordVersion = reader.uvarlong();
  const count = readCount(reader, VERIFIERS_MAX, 'verifiers');
  const verifiers: PasswordVerifier[] = [];
  for (let index = 0; index < count; index++) verifiers.push(readVerifier(reader));
  return { name, tags, verifiers, passwordVersion };
}

function readVerifier(reader: ByteReader): PasswordVerifier {
  const number = reader.u8();
  const kind = VERIFIER_KINDS[number];
  if (kind === undefined) throw new DecodeError('invalid', `A user has a verifier of an unknown kind: ${number}`);
  if (kind !== 'scram-sha-256' && kind !== 'scram-sha-512') return { kind, hash: readBytes(reader) };
  const iterations = reader.uvarint();
  return {
    kind,
    iterations,
    salt: readBytes(reader),
    storedKey: readBytes(reader),
    serverKey: readBytes(reader),
  };
}

function writePolicy(writer: ByteWriter, policy: PolicyEntry): void {
  writer.u8(policy.operator ? 1 : 0);
  writeText(writer, policy.vhost);
  writeText(writer, policy.name);
  writeLong(writer, policy.pattern);
  writer.u8(TARGETS.indexOf(policy.applyTo));
  writer.varlong(policy.priority);
  writeJson(writer, policy.definition);
}

function readPolicy(reader: ByteReader): PolicyEntry {
  const operator = readFlag(reader);
  const vhost = readText(reader);
  const name = readText(reader);
  const pattern = readLong(reader);
  const applyTo = TARGETS[reader.u8()];
  if (applyTo === undefined) throw new DecodeError('invalid', `Policy "${name}" applies to what is unknown`);
  const priority = reader.varlong();
  const definition = readJson(reader);
  if (!isObject(definition)) throw new DecodeError('invalid', `Policy "${name}" has a definition that is no object`);
  return { operator, vhost, name, pattern, applyTo, priority, definition };
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type ParameterName = Omit<ParameterEntry, 'value'>;

function writeParameterName(writer: ByteWriter, { vhost, component, name }: ParameterName): void {
  writer.u8(vhost === undefined ? 0 : 1);
  if (vhost !== undefined) writeText(writer, vhost);
  writeText(writer, component);
  writeText(writer, name);
}

function readParameterName(reader: ByteReader): ParameterName {
  const vhost = readFlag(reader) ? { vhost: readText(reader) } : {};
  return { ...vhost, component: readText(reader), name: readText(reader) };
}

function writeLimits<Name extends string>(
  writer: ByteWriter,
  names: readonly Name[],
  limits: { readonly [Key in Name]?: number },
): void {
  const given = names.flatMap((name, number) => {
    const value = limits[name];
    return value === undefined ? [] : [[number, value] as const];
  });
  writer.uvarint(given.length);
  for (const [number, value] of given) {
    writer.uvarint(number);
    writer.varlong(value);
  }
}

function readLimits<Name extends string>(reader: ByteReader, names: readonly Name[]): { [Key in Name]?: number } {
  const limits: { [Key in Name]?: number } = {};
  const count = readCount(reader, names.length, 'limits');
  for (let index = 0; index < count; index++) {
    const number = reader.uvarint();
    const name = names[number];
    if (name === undefined) throw new DecodeError('invalid', `A change sets an unknown limit: ${number}`);
    limits[name] = reader.varlong();
  }
  return limits;
}

function readMetadata(reader: ByteReader): VhostMetadata {
  const description = readLong(reader);
  const tags = readTags(reader);
  const type = reader.u8();
  if (type >= QUEUE_TYPES.length) {
    throw new DecodeError('invalid', `A virtual host has an unknown default type of queue: ${type}`);
  }
  const defaultQueueType = QUEUE_TYPES[type];
  return { description, tags, ...(defaultQueueType === undefined ? {} : { defaultQueueType }) };
}

function writeTags(writer: ByteWriter, tags: readonly string[]): void {
  writer.uvarint(tags.length);
  for (const tag of tags) writeText(writer, tag);
}

function readTags(reader: ByteReader): string[] {
  const count = readCount(reader, TAGS_MAX, 'tags');
  const tags: string[] = [];
  for (let index = 0; index < count; index++) tags.push(readText(reader));
  return tags;
}

function writeJson(writer: ByteWriter, value: JsonValue): void {
  writeLong(writer, JSON.stringify(value));
}

function readJson(reader: ByteReader): JsonValue {
  const text = readLong(reader, JSON_BYTES_MAX);
  try {
    // What JSON.parse returns is JSON.
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new DecodeError('invalid', 'A change has a value that is no JSON', error);
  }
}

/** Writes a text that may be longer than a name. */
function writeLong(writer: ByteWriter, text: string): void {
  writer.uvarint(utf8Size(text));
  writer.utf8(text);
}

const LONG_BYTES_MAX = Math.max(PATTERN_BYTES_MAX, DESCRIPTION_BYTES_MAX);

function readLong(reader: ByteReader, limit = LONG_BYTES_MAX): string {
  const length = readCount(reader, limit, 'bytes of text');
  return reader.utf8Strict(length);
}

function readLongs(reader: ByteReader, count: number): string[] {
  return Array.from({ length: count }, () => readLong(reader));
}

function writeBytes(writer: ByteWriter, bytes: Uint8Array): void {
  writer.uvarint(bytes.length);
  writer.raw(bytes);
}

function readBytes(reader: ByteReader): Uint8Array {
  return reader.copy(readCount(reader, VERIFIER_BYTES_MAX, 'bytes of a verifier'));
}

function readCount(reader: ByteReader, limit: number, what: string): number {
  const count = reader.uvarint();
  if (count <= limit) return count;
  throw new DecodeError('invalid', `A change has ${count} ${what}: the limit is ${limit}`);
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw new DecodeError('invalid', `A change has a flag that is neither 0 nor 1: ${flag}`);
  return flag === 1;
}
