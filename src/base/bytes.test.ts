import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from './bytes.js';
import { DecodeError, EncodeError } from './errors.js';
import { uvarintSize, varintSize, varlongSize } from './varint.js';

type Kind = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'i64' | 'f64' | 'varint' | 'varlong';
const safe = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.constantFrom(2 ** 53 - 1, 1 - 2 ** 53, 2 ** 52, -(2 ** 52), 2 ** 35, -(2 ** 35) - 1),
);
const field: fc.Arbitrary<readonly [Kind, number]> = fc.oneof(
  fc.tuple(fc.constant<Kind>('u8'), fc.integer({ min: 0, max: 255 })),
  fc.tuple(fc.constant<Kind>('i8'), fc.integer({ min: -128, max: 127 })),
  fc.tuple(fc.constant<Kind>('u16'), fc.integer({ min: 0, max: 65535 })),
  fc.tuple(fc.constant<Kind>('i16'), fc.integer({ min: -32768, max: 32767 })),
  fc.tuple(fc.constant<Kind>('u32'), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
  fc.tuple(fc.constant<Kind>('i32'), fc.integer()),
  fc.tuple(fc.constant<Kind>('i64'), safe),
  fc.tuple(fc.constant<Kind>('f64'), fc.double()),
  fc.tuple(fc.constant<Kind>('varint'), fc.integer()),
  fc.tuple(fc.constant<Kind>('varlong'), safe),
);

describe('ByteWriter and ByteReader', () => {
  it('read back what was written, and say truncated at every shorter length', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 20 }), (fields) => {
        const writer = new ByteWriter(1);
        for (const [kind, value] of fields) writer[kind](value);
        const reader = new ByteReader(writer.copy());
        for (const [kind, value] of fields) expect(reader[kind]()).toBe(value);
        expect(reader.remaining).toBe(0);
        for (let end = 0; end < writer.at; end++) {
          reader.reset(writer.view(), 0, end);
          expect(codeOf(() => fields.map(([kind]) => reader[kind]()))).toBe('truncated');
        }
      }),
    );
  });

  it('agree with DataView on 64-bit integers', () => {
    fc.assert(
      fc.property(safe, (value) => {
        const writer = new ByteWriter();
        writer.i64(value);
        expect(new DataView(writer.bytes.buffer).getBigInt64(0)).toBe(BigInt(value));
        expect(new ByteReader(writer.view()).i64BigInt()).toBe(BigInt(value));
      }),
    );
  });

  it('encode zigzag integers as Kafka does', () => {
    const writer = new ByteWriter();
    for (const value of [0, -1, 1, -2, 63, -64, 64, 8191, -8192, 2147483647, -2147483648]) writer.varint(value);
    expect(Buffer.from(writer.copy()).toString('hex')).toBe(
      '00' + '01' + '02' + '03' + '7e' + '7f' + '8001' + 'fe7f' + 'ff7f' + 'feffffff0f' + 'ffffffff0f',
    );
  });

  it('give the size that is written', () => {
    fc.assert(
      fc.property(fc.integer(), safe, (small, large) => {
        expect(varintSize(small)).toBe(sizeOf((writer) => writer.varint(small)));
        expect(varlongSize(large)).toBe(sizeOf((writer) => writer.varlong(large)));
        expect(uvarintSize(Math.abs(large))).toBe(sizeOf((writer) => writer.uvarint(Math.abs(large))));
      }),
    );
  });

  it('agree with arithmetic on big integers for unsigned and zigzag forms', () => {
    fc.assert(
      fc.property(safe, (value) => {
        const unsigned = Math.abs(value);
        const writer = new ByteWriter();
        writer.uvarint(unsigned);
        expect([...writer.view()]).toEqual(leb128(BigInt(unsigned)));
        expect(new ByteReader(writer.view()).uvarlong()).toBe(unsigned);
        writer.reset().varlong(value);
        const big = BigInt(value);
        expect([...writer.view()]).toEqual(leb128(big >= 0n ? big * 2n : -big * 2n - 1n));
      }),
    );
  });

  it('do not look beyond the end for the rest of a variable-length integer', () => {
    for (let bits = 0; bits < 52; bits++) {
      for (const kind of ['uvarint', 'varint', 'uvarlong', 'varlong'] as const) {
        if (bits > 29 && !kind.endsWith('long')) continue;
        const writer = new ByteWriter();
        writer[kind === 'varint' || kind === 'varlong' ? kind : 'uvarint'](2 ** bits);
        for (let end = 0; end < writer.at; end++) {
          expect(codeOf(() => new ByteReader(writer.view(), 0, end)[kind]())).toBe('truncated');
        }
      }
    }
  });

  it('refuse integers that are too long or beyond 2^53', () => {
    const endless = new Uint8Array(16).fill(0xff);
    for (const kind of ['uvarint', 'varint', 'uvarlong', 'varlong', 'u64'] as const) {
      expect(codeOf(() => new ByteReader(endless)[kind]())).toBe('overflow');
    }
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, 2n ** 53n);
    expect(codeOf(() => new ByteReader(bytes).i64())).toBe('overflow');
    expect(codeOf(() => new ByteReader(bytes).u64())).toBe('overflow');
    expect(codeOf(() => new ByteReader(Uint8Array.of(255, 255, 255, 255, 0x1f)).uvarint())).toBe('overflow');
  });

  it('refuse negative and fractional lengths instead of moving backwards', () => {
    const reader = new ByteReader(new Uint8Array(4), 2);
    expect(codeOf(() => reader.skip(-1))).toBe('invalid');
    expect(codeOf(() => reader.view(Number.NaN))).toBe('invalid');
    expect(reader.at).toBe(2);
  });

  it('carry any well-formed text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.string({ maxLength: 60 })), (text) => {
        const writer = new ByteWriter(1);
        const size = writer.utf8(text);
        expect(Buffer.from(writer.copy())).toEqual(Buffer.from(text));
        expect(new ByteReader(writer.view()).utf8(size)).toBe(text);
        expect(new ByteReader(writer.view()).utf8Strict(size)).toBe(text);
      }),
    );
  });

  it('keep a byte order mark, read shared memory, and replace or refuse malformed text', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(30));
    shared.set(Buffer.from(`\ufeff${'ü'.repeat(13)}`));
    expect(new ByteReader(shared).utf8(29)).toBe(`\ufeff${'ü'.repeat(13)}`);
    const malformed = Uint8Array.of(0x61, 0xff, 0x62);
    expect(new ByteReader(malformed).utf8(3)).toBe('a\ufffdb');
    expect(codeOf(() => new ByteReader(malformed).utf8Strict(3))).toBe('invalid');
    const writer = new ByteWriter(1);
    expect(writer.utf8('\ud800')).toBe(3);
  });

  it('stop growing at the limit and keep what was written', () => {
    const writer = new ByteWriter(4, 10);
    writer.raw(new Uint8Array(8).fill(7));
    expect(() => writer.i64(1)).toThrow(EncodeError);
    expect(() => writer.raw(new Uint8Array(3))).toThrow('Cannot write 11 bytes: the limit is 10');
    writer.u16(0x0708);
    expect([...writer.view()]).toEqual([7, 7, 7, 7, 7, 7, 7, 7, 7, 8]);
  });

  it('patch skipped room', () => {
    const writer = new ByteWriter(2);
    writer.u8(1);
    const at = writer.skip(4);
    writer.u8(2);
    writer.patchU32(at, -2);
    expect([...writer.copy()]).toEqual([1, 255, 255, 255, 254, 2]);
  });
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof DecodeError) return error.code;
    throw error;
  }
  return 'no error';
}

function sizeOf(write: (writer: ByteWriter) => void): number {
  const writer = new ByteWriter();
  write(writer);
  return writer.at;
}

function leb128(value: bigint): number[] {
  const groups: number[] = [];
  let rest = value;
  do {
    groups.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return groups;
}
