import { encodeUtf8, utf8Size } from '../base/utf8.js';
import { Durability } from '../proto/client-wire.js';
import { RESERVED_HEADER_NAME } from '../record/message.js';
import { NO_HEADERS, type RecordHeader } from '../record/records.js';
import { ClientError, invalidUse } from './errors.js';

/** Bytes, or text that is sent in UTF-8. */
export type Bytes = Uint8Array | string;

/** How safe a message is: in the page cache, on disk, or on disk on a quorum of replicas. */
export type DurabilityName = 'memory' | 'disk' | 'quorum';

/** A message to publish. Its bytes are copied when it is accepted. */
export interface OutgoingMessage {
  /** Null or absent: none. Messages of one key go to one partition. */
  readonly key?: Bytes | null;
  /** Null or absent: a tombstone, which removes the key from a compacted topic. */
  readonly value?: Bytes | null;
  /** Names and values, in order where names repeat: then as pairs. */
  readonly headers?: Readonly<Record<string, Bytes | null>> | readonly (readonly [name: string, value: Bytes | null])[];
  /** Milliseconds since 1970; default now. */
  readonly timestamp?: number;
  /** The partition, instead of one chosen by the key. */
  readonly partition?: number;
}

/** A message that is a value and nothing else, or one in full. */
export type Outgoing = OutgoingMessage | Bytes;

const levels = [undefined, 'memory', 'disk', 'quorum'] as const;

/** The name of a durability level on the wire. */
export function durabilityName(level: number): DurabilityName {
  return levels[level] ?? 'memory';
}

/** A durability level as it stands on the wire; 0 for none chosen. @throws ClientError `invalid-request`. */
export function durabilityLevel(name: DurabilityName | undefined): Durability {
  if (name === undefined) return Durability.DURABILITY_DEFAULT;
  const level = levels.indexOf(name);
  if (level < 1) throw invalidUse(`There is no durability ${JSON.stringify(name)}: it is memory, disk or quorum`);
  return level;
}

/** A message of which only the value was given, as one in full. */
export function asMessage(outgoing: Outgoing): OutgoingMessage {
  return typeof outgoing === 'string' || outgoing instanceof Uint8Array ? { value: outgoing } : outgoing;
}

/** Bytes of `bytes`, as a view where they are bytes already. */
export function toBytes(bytes: Bytes): Uint8Array {
  return typeof bytes === 'string' ? encodeUtf8(bytes) : bytes;
}

/** Size of `bytes` when sent; -1 for null. */
export function sizeOf(bytes: Bytes | null | undefined): number {
  if (bytes === null || bytes === undefined) return -1;
  return typeof bytes === 'string' ? utf8Size(bytes) : bytes.length;
}

/** Headers as records hold them. @throws ClientError `invalid-request` on the name that the broker keeps for itself. */
export function recordHeaders(headers: OutgoingMessage['headers']): readonly RecordHeader[] {
  if (headers === undefined) return NO_HEADERS;
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  return pairs.map(([name, value]: readonly [string, Bytes | null]): RecordHeader => {
    if (name === RESERVED_HEADER_NAME) throw invalidUse(`The header name "${name}" is the broker's own`);
    return [name, value === null ? null : toBytes(value)];
  });
}

/** @throws ClientError `too-large` for a message of more than `limit` bytes. */
export function checkSize(sizeBytes: number, limit: number): void {
  if (sizeBytes <= limit) return;
  throw new ClientError('too-large', `Cannot publish a message of ${sizeBytes} bytes: the node's limit is ${limit}`);
}
