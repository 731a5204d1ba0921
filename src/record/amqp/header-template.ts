import { ByteReader } from '../../base/byte-reader.js';
import { utf8Size, writeUtf8 } from '../../base/utf8.js';
import { uvarintSize, varintSize, writeUvarint, writeVarint } from '../../base/varint.js';
import { EnvelopeCursor } from './envelope.js';

/**
 * Encoded headers of messages that differ in their routing key alone: it lies in the midst of the first header, whose length grows with it. Putting another
 * key in costs a fraction of encoding the headers anew.
 */
export class HeaderTemplate {
  private readonly bytes: Uint8Array;
  /** Where the length of the first header's value lies. */
  private readonly lengthAt: number;
  private readonly lengthEnd: number;
  private readonly valueBytes: number;
  /** Where the empty key lies, its length included. */
  private readonly keyAt: number;
  private readonly keyEnd: number;

  /** `headers`: as `encodeHeaders` makes them for an empty routing key; taken over. */
  constructor(headers: Uint8Array) {
    const envelope = new EnvelopeCursor();
    envelope.open(headers);
    const reader = new ByteReader(headers);
    reader.varint();
    reader.skip(reader.varint());
    this.bytes = headers;
    this.lengthAt = reader.at;
    this.valueBytes = reader.varint();
    this.lengthEnd = reader.at;
    this.keyAt = envelope.exchangeEnd;
    this.keyEnd = envelope.routingKeyEnd;
  }

  /** The headers with this key, in `target` if it has the very size. */
  fill(routingKey: string, target: Uint8Array): Uint8Array {
    const { bytes, lengthAt, lengthEnd, keyAt, keyEnd } = this;
    const keyBytes = utf8Size(routingKey);
    const valueBytes = this.valueBytes - (keyEnd - keyAt) + uvarintSize(keyBytes) + keyBytes;
    const size = lengthAt + varintSize(valueBytes) + valueBytes + bytes.length - lengthEnd - this.valueBytes;
    const filled = target.length === size ? target : new Uint8Array(size);
    copy(bytes, 0, lengthAt, filled, 0);
    let at = writeVarint(filled, lengthAt, valueBytes);
    at = copy(bytes, lengthEnd, keyAt, filled, at);
    at = writeUvarint(filled, at, keyBytes);
    at = writeUtf8(filled, at, routingKey);
    copy(bytes, keyEnd, bytes.length, filled, at);
    return filled;
  }
}

/** The parts are short: a loop beats a call. Returns the position after them. */
function copy(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number {
  for (let index = from; index < to; index++) target[at + index - from] = source[index]!;
  return at + to - from;
}
