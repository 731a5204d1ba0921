/** Protobuf as a tree that can say anything, also what no encoder would: wrong lengths, wrong wire types, groups, numbers of any size. */
import { ByteWriter } from '../../src/base/bytes.js';

/** One field on the wire. */
export interface WireField {
  number: number;
  /** 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes; 3, 4, 6 and 7 are nonsense in proto3. */
  wire: number;
  value: bigint | Uint8Array | WireField[];
  /** Announced instead of the true length. */
  length?: bigint;
}

/** A number. */
export function numberField(number: number, value: number | bigint): WireField {
  return { number, wire: 0, value: BigInt(value) };
}

/** Bytes, text or a message. */
export function lengthField(number: number, value: Uint8Array | WireField[] | string): WireField {
  return { number, wire: 2, value: typeof value === 'string' ? new TextEncoder().encode(value) : value };
}

function writeVarint(writer: ByteWriter, value: bigint): void {
  let rest = BigInt.asUintN(70, value);
  while (rest > 0x7fn) {
    writer.u8(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  writer.u8(Number(rest));
}

function writeFixed(writer: ByteWriter, value: bigint, bytes: number): void {
  for (let index = 0; index < bytes; index++) writer.u8(Number((value >> BigInt(8 * index)) & 0xffn));
}

function writeField(writer: ByteWriter, field: WireField): void {
  writeVarint(writer, (BigInt(field.number) << 3n) | BigInt(field.wire));
  const { value } = field;
  if (typeof value === 'bigint') {
    if (field.wire === 1) writeFixed(writer, value, 8);
    else if (field.wire === 5) writeFixed(writer, value, 4);
    else writeVarint(writer, value);
    return;
  }
  const bytes = value instanceof Uint8Array ? value : encodeTree(value);
  if (field.wire === 2) writeVarint(writer, field.length ?? BigInt(bytes.length));
  writer.raw(bytes);
}

/** The bytes of a message. */
export function encodeTree(fields: readonly WireField[]): Uint8Array {
  const writer = new ByteWriter();
  for (const field of fields) writeField(writer, field);
  return writer.copy();
}

/** All messages of the tree, the outermost first. */
export function* messagesOf(fields: WireField[]): Generator<WireField[]> {
  yield fields;
  for (const { value } of fields) if (Array.isArray(value)) yield* messagesOf(value);
}
