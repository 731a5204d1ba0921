/** Protobuf's wire format, as far as frames are read by hand: those that come by the hundred thousand. */
import type { ByteReader } from '../base/bytes.js';
import { DecodeError } from '../base/errors.js';

/** A variable-length integer follows. */
export const WIRE_VARINT = 0;
/** Eight bytes follow. */
const WIRE_I64 = 1;
/** A length and so many bytes follow. */
export const WIRE_LENGTH = 2;
/** Four bytes follow. */
const WIRE_I32 = 5;

/** The tag of field `field`, as it stands on the wire. */
export function wireTag(field: number, type: number): number {
  return (field << 3) | type;
}

/** Moves over the value of a field that this client does not know. @throws DecodeError when it has no end. */
export function skipField(reader: ByteReader, tag: number): void {
  const type = tag & 7;
  if (type === WIRE_LENGTH) reader.skip(reader.uvarint());
  else if (type === WIRE_VARINT) while (reader.u8() >= 0x80);
  else if (type === WIRE_I64) reader.skip(8);
  else if (type === WIRE_I32) reader.skip(4);
  else throw new DecodeError('invalid', `a field has the wire type ${type}`);
}

/** Reads a length and returns the position after so many bytes, which are there. */
export function fieldEnd(reader: ByteReader): number {
  const length = reader.uvarint();
  if (length <= reader.remaining) return reader.at + length;
  throw new DecodeError('truncated', `a field announces ${length} bytes where ${reader.remaining} are left`);
}
