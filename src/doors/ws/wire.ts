/** Protobuf's wire format (https://protobuf.dev/programming-guides/encoding), as far as hand-written decoders need it. */
import type { ByteReader } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { VARLONG_MAX_BYTES } from '../../base/varint.js';

/** A variable-length integer follows. */
export const WIRE_VARINT = 0;
/** Eight bytes follow. */
export const WIRE_I64 = 1;
/** A length and so many bytes follow. */
export const WIRE_LENGTH = 2;
/** Four bytes follow. */
export const WIRE_I32 = 5;

/** The tag of field `field`, as it stands on the wire. */
export function wireTag(field: number, type: number): number {
  return (field << 3) | type;
}

/** Moves over the value of a field that nobody knows. @throws DecodeError when it has no end, or is a group, which proto3 does not have. */
export function skipField(reader: ByteReader, tag: number): void {
  const type = tag & 7;
  if (tag >>> 3 === 0) throw new DecodeError('invalid', 'a field has the number 0');
  if (type === WIRE_LENGTH) reader.skip(reader.uvarint());
  else if (type === WIRE_VARINT) skipVarint(reader);
  else if (type === WIRE_I64) reader.skip(8);
  else if (type === WIRE_I32) reader.skip(4);
  else throw new DecodeError('invalid', `a field has the wire type ${type}`);
}

function skipVarint(reader: ByteReader): void {
  for (let index = 0; index < VARLONG_MAX_BYTES; index++) if (reader.u8() < 0x80) return;
  throw new DecodeError('invalid', `an integer is longer than ${VARLONG_MAX_BYTES} bytes`);
}

/** Reads a length and returns the position after so many bytes, which are there. The reader stands at the first of them. */
export function fieldEnd(reader: ByteReader): number {
  const length = reader.uvarint();
  if (length > reader.remaining) {
    throw new DecodeError('truncated', `a field announces ${length} bytes where ${reader.remaining} are left`);
  }
  return reader.at + length;
}

/** Moves over the bytes of a field and returns where their length stands, for those who want them later: see `backTo`. */
export function passField(reader: ByteReader): number {
  const start = reader.at;
  reader.skip(reader.uvarint());
  return start;
}

/** Puts the reader to a position that it has seen. */
export function backTo(reader: ByteReader, at: number): ByteReader {
  reader.at = at;
  return reader;
}

/** Bytes of a field, as a view. */
export function bytesField(reader: ByteReader): Uint8Array {
  return reader.view(reader.uvarint());
}

/** Text of a field. @throws DecodeError on malformed UTF-8. */
export function stringField(reader: ByteReader): string {
  return reader.utf8Strict(reader.uvarint());
}
