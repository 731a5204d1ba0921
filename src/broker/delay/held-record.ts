/** The record that holds a message until its time; drawn in docs/formats/delayed.md. */
import { ByteReader, ByteWriter } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { utf8Size } from '../../base/utf8.js';
import { type Envelope, readEnvelope } from '../../record/amqp/envelope.js';
import { messageIdOf } from '../../record/amqp/properties.js';
import type { RecordHeader } from '../../record/records.js';

/** Name of the record header beside the envelope. */
export const HELD_HEADER = 'duolog.d';

const VERSION = 1;
/** With the name of the exchange that holds the message, which is not the one that it was published to. */
const VERSION_AT = 2;
const PERSISTENT = 1;
const BY_HEADER = 2;
const VHOST_AT = 10;

/** What is known of a held message beside its envelope and its body. */
export interface Holding {
  /** Milliseconds since 1970. */
  readonly fireAtMs: number;
  readonly vhost: string;
  readonly persistent: boolean;
  /** Its header `x-delay` said so, and is negated when it fires. */
  readonly byHeader: boolean;
  /** The exchange that holds it, when that is not the one that it was published to. */
  readonly at?: string | undefined;
}

/** A held message as it is in the log. `envelope.properties` is a view. */
export interface HeldMessage extends Holding {
  readonly envelope: Envelope;
  /** The exchange that holds it. */
  readonly exchange: string;
}

/** Writes the header; what it returns is borrowed until the next call. */
export class HeldHeaderWriter {
  private readonly writer = new ByteWriter();

  header({ fireAtMs, vhost, persistent, byHeader, at }: Holding): RecordHeader {
    const writer = this.writer.reset();
    writer.u8(at === undefined ? VERSION : VERSION_AT);
    writer.u8((persistent ? PERSISTENT : 0) | (byHeader ? BY_HEADER : 0));
    writer.i64(fireAtMs);
    if (at !== undefined) writer.uvarint(utf8Size(vhost));
    writer.utf8(vhost);
    if (at !== undefined) writer.utf8(at);
    return [HELD_HEADER, writer.view()];
  }
}

const reader = new ByteReader(new Uint8Array(0));

/** Reads a record's headers, which are in Kafka's encoding and verified; undefined when they are no held message's that this version knows. */
export function readHeld(headers: Uint8Array): HeldMessage | undefined {
  const envelope = readEnvelope(headers);
  if (envelope === undefined) return undefined;
  try {
    const holding = readHolding(headers);
    if (holding === undefined) return undefined;
    return { ...holding, envelope, exchange: holding.at ?? envelope.exchange };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function readHolding(headers: Uint8Array): Holding | undefined {
  reader.reset(headers);
  if (reader.varint() !== 2) return undefined;
  // The envelope's name and value.
  reader.skip(reader.varint());
  reader.skip(reader.varint());
  if (reader.utf8(reader.varint()) !== HELD_HEADER) return undefined;
  const length = reader.varint();
  if (length < VHOST_AT) return undefined;
  const end = reader.skip(length) + length;
  reader.at = end - length;
  reader.end = end;
  const version = reader.u8();
  if (version !== VERSION && version !== VERSION_AT) return undefined;
  const flags = reader.u8();
  const fireAtMs = reader.i64();
  const common = { fireAtMs, persistent: (flags & PERSISTENT) !== 0, byHeader: (flags & BY_HEADER) !== 0 };
  if (version === VERSION) return { ...common, vhost: reader.utf8(reader.remaining) };
  const vhost = reader.utf8(reader.uvarint());
  return { ...common, vhost, at: reader.utf8(reader.remaining) };
}

/** One name for an exchange of a virtual host, whatever characters they hold. */
export function exchangeKey(vhost: string, exchange: string): string {
  return `${vhost.length}:${vhost}${exchange}`;
}

/** Hash of a message's id, as the index keeps it; 0 = it has none. */
export function idHashOf(properties: Uint8Array): number {
  return idHash(messageIdOf(properties) ?? '');
}

/** FNV-1a over the UTF-16 units of an id, never 0 but for an empty one. */
export function idHash(id: string): number {
  return id === '' ? 0 : textHash(id) || 1;
}

/** FNV-1a, 32 bits. */
export function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
