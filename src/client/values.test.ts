import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeFrame, encodeFrame } from '../proto/client-wire.js';
import { type FieldValue, fieldsOf, wireFields } from './values.js';

const { value } = fc.letrec<{ value: FieldValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Number.isInteger(number)),
    fc.string(),
    fc.uint8Array({ maxLength: 20 }),
    fc.nat(2 ** 40).map((seconds) => new Date(seconds * 1000)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 3 }),
  ),
}));

/** Views and arrays of the same bytes are equal, and an object without a prototype is one. */
function plain(of: unknown): unknown {
  if (of instanceof Uint8Array) return [...of, 'bytes'];
  if (of instanceof Date || of === null || typeof of !== 'object') return of;
  if (Array.isArray(of)) return of.map(plain);
  return Object.entries(of).map(([name, item]) => [name, plain(item)]);
}

it('values come back as they were, over the wire', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), value, { maxKeys: 4 }), (fields) => {
      const bytes = encodeFrame({ bind: { binding: { arguments: wireFields(fields) } } });
      const read = fieldsOf(decodeFrame(bytes).bind?.binding?.arguments);
      expect(plain(read)).toEqual(plain(fields));
    }),
  );
});

it('what cannot be sent is refused', () => {
  expect(() => wireFields({ x: (() => 1) as never })).toThrow('a function');
  const endless: FieldValue[] = [];
  endless.push(endless);
  expect(() => wireFields({ x: endless })).toThrow('deeper');
});
