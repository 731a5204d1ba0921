import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError, EncodeError } from '../../base/errors.js';
import { encodeUtf8 } from '../../base/utf8.js';
import { decodeTable, encodeTable, type FieldValue, integerOf, textOf } from './field-table.js';
import { anyFieldTable } from './fixtures/arbitraries.js';
import { MAX_TABLE_BYTES, MAX_TABLE_DEPTH, MAX_TABLE_VALUES } from './limits.js';
import { TableCursor, verifyTable } from './table-cursor.js';

/** A table with one field named `a`: its tag, and what follows it. */
function tableOf(tag: string, ...rest: readonly number[]): Uint8Array {
  return Uint8Array.of(1, 0x61, tag.charCodeAt(0), ...rest);
}

function nested(levels: number): FieldValue {
  let value: FieldValue = { type: 'void' };
  for (let level = 0; level < levels; level++) value = { type: 'table', value: new Map([['a', value]]) };
  return value;
}

describe('field tables', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(anyFieldTable, (table) => {
        expect(decodeTable(encodeTable(table))).toEqual(table);
      }),
    );
  });

  it('are refused with a DecodeError wherever they are cut, unless the cut is between fields', () => {
    fc.assert(
      fc.property(anyFieldTable, (table) => {
        const bytes = encodeTable(table);
        const ends = new Set([0]);
        const cursor = new TableCursor().open(bytes);
        while (cursor.next()) ends.add(cursor.valueEnd);
        for (let end = 0; end < bytes.length; end++) {
          const cut = bytes.subarray(0, end);
          if (ends.has(end)) expect(decodeTable(cut).size).toBeLessThanOrEqual(table.size);
          else {
            expect(() => verifyTable(cut)).toThrow(DecodeError);
            expect(() => decodeTable(cut)).toThrow(DecodeError);
          }
        }
      }),
    );
  });

  it('throw nothing but a DecodeError, whatever the bytes', () => {
    fc.assert(
      fc.property(anyFieldTable, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), (table, changes) => {
        const bytes = encodeTable(table);
        for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        try {
          decodeTable(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });

  it.each([
    ['a signed byte', tableOf('b', 0xff), { type: 'int8', value: -1 }],
    ['an unsigned byte', tableOf('B', 0xff), { type: 'uint8', value: 255 }],
    ['a signed short', tableOf('s', 0xff, 0xfe), { type: 'int16', value: -2 }],
    ['an unsigned short', tableOf('u', 0xff, 0xfe), { type: 'uint16', value: 65534 }],
    ['a signed int', tableOf('I', 0xff, 0xff, 0xff, 0xfd), { type: 'int32', value: -3 }],
    ['an unsigned int', tableOf('i', 0xff, 0xff, 0xff, 0xfd), { type: 'uint32', value: 0xffff_fffd }],
    ['a long', tableOf('l', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc), { type: 'int64', value: -4n }],
    ['the other long', tableOf('L', 0, 0, 0, 0, 0, 0, 0, 9), { type: 'int64', value: 9n }],
    ['a float', tableOf('f', 0x3f, 0xc0, 0, 0), { type: 'float', value: 1.5 }],
    ['a double', tableOf('d', 0x3f, 0xf8, 0, 0, 0, 0, 0, 0), { type: 'double', value: 1.5 }],
    ['a decimal', tableOf('D', 2, 0, 0, 1, 0x3a), { type: 'decimal', scale: 2, value: 314 }],
    ['a timestamp', tableOf('T', 0, 0, 0, 0, 0x5e, 0, 0, 0), { type: 'timestamp', value: 0x5e00_0000n }],
    ['a true that is not 1', tableOf('t', 7), { type: 'boolean', value: true }],
    ['a long string', tableOf('S', 0, 0, 0, 1, 0x62), { type: 'longstr', value: Uint8Array.of(0x62) }],
    ['bytes', tableOf('x', 0, 0, 0, 1, 0x62), { type: 'bytes', value: Uint8Array.of(0x62) }],
    ['a void', tableOf('V'), { type: 'void' }],
    ['an array', tableOf('A', 0, 0, 0, 1, 0x56), { type: 'array', value: [{ type: 'void' }] }],
    ['a table', tableOf('F', 0, 0, 0, 0), { type: 'table', value: new Map() }],
  ] as const)('know %s by its tag', (_name, bytes, value) => {
    expect(decodeTable(bytes)).toEqual(new Map([['a', value]]));
  });

  it.each([
    ['a long string', tableOf('S', 0xff, 0xff, 0xff, 0xff)],
    ['bytes', tableOf('x', 0x7f, 0xff, 0xff, 0xff)],
    ['an array', tableOf('A', 0xff, 0xff, 0xff, 0xff, 0x56)],
    ['a table', tableOf('F', 0, 0, 0, 2, 0)],
    ['a value inside that passes its array', tableOf('A', 0, 0, 0, 1, 0x74, 1)],
    ['a string inside that passes its array', tableOf('A', 0, 0, 0, 6, 0x53, 0, 0, 0, 2, 0x61, 0x62)],
    ['a table inside that passes its array', tableOf('A', 0, 0, 0, 5, 0x46, 0, 0, 0, 1, 0)],
    ['a name', Uint8Array.of(0xff, 0x61)],
    ['an unknown tag', tableOf('?', 0)],
  ])('refuse a length that is not there: %s', (_name, bytes) => {
    expect(() => decodeTable(bytes)).toThrow(DecodeError);
    expect(() => verifyTable(bytes)).toThrow(DecodeError);
    const cursor = new TableCursor().open(bytes);
    expect(() => cursor.next()).toThrow(DecodeError);
  });

  it('have limits of depth, values and bytes', () => {
    const deepest = new Map([['a', nested(MAX_TABLE_DEPTH - 1)]]);
    expect(decodeTable(encodeTable(deepest))).toEqual(deepest);
    expect(() => encodeTable(new Map([['a', nested(MAX_TABLE_DEPTH)]]))).toThrow(EncodeError);
    const tooDeep = new Uint8Array(7 * 1000);
    for (let at = 0; at < tooDeep.length; at += 7) {
      tooDeep.set(tableOf('F'), at);
      new DataView(tooDeep.buffer).setUint32(at + 3, tooDeep.length - at - 7);
    }
    expect(() => decodeTable(tooDeep)).toThrow('nests deeper than 32 levels');
    const wide = new Uint8Array(2 * (MAX_TABLE_VALUES + 1)).fill(0x56);
    for (let at = 0; at < wide.length; at += 2) wide[at] = 0;
    expect(decodeTable(wide.subarray(2)).size).toBe(1);
    expect(() => decodeTable(wide)).toThrow('more than 65536 values');
    expect(() => decodeTable(new Uint8Array(MAX_TABLE_BYTES + 1))).toThrow('the limit is 1048576');
  });

  it.each<[string, FieldValue]>([
    ['int8', { type: 'int8', value: 128 }],
    ['uint16', { type: 'uint16', value: -1 }],
    ['int32', { type: 'int32', value: 2 ** 31 }],
    ['uint32', { type: 'uint32', value: 0.5 }],
    ['int64', { type: 'int64', value: 2n ** 63n }],
    ['timestamp', { type: 'timestamp', value: -1n }],
    ['decimal', { type: 'decimal', scale: 256, value: 1 }],
  ])('refuse to write a number that its field cannot hold: %s', (_name, value) => {
    expect(() => encodeTable(new Map([['a', value]]))).toThrow(EncodeError);
  });

  it('refuse to write a name of more than 255 bytes', () => {
    expect(encodeTable(new Map([['n'.repeat(255), { type: 'void' }]])).length).toBe(257);
    expect(() => encodeTable(new Map([['é'.repeat(128), { type: 'void' }]]))).toThrow(EncodeError);
  });

  it('let the first of several fields with one name count', () => {
    const both = Uint8Array.of(...tableOf('b', 1), ...tableOf('b', 2));
    expect(decodeTable(both)).toEqual(new Map([['a', { type: 'int8', value: 1 }]]));
  });
});

describe('values', () => {
  it('are text only as long strings', () => {
    expect(textOf({ type: 'longstr', value: encodeUtf8('käse') })).toBe('käse');
    expect(textOf({ type: 'bytes', value: encodeUtf8('k') })).toBeUndefined();
    expect(textOf(undefined)).toBeUndefined();
  });

  it('are integers in any width, but not as text', () => {
    expect(integerOf({ type: 'uint8', value: 7 })).toBe(7);
    expect(integerOf({ type: 'int64', value: -7n })).toBe(-7);
    expect(integerOf({ type: 'double', value: 7 })).toBeUndefined();
    expect(integerOf({ type: 'longstr', value: encodeUtf8('7') })).toBeUndefined();
    expect(integerOf(undefined)).toBeUndefined();
  });
});
