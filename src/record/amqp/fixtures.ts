import fc from 'fast-check';
import type { FieldTable, FieldValue } from './field-table.js';
import type { BasicProperties } from './properties.js';

const scalar: fc.Arbitrary<FieldValue> = fc.oneof(
  fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
  fc.record({ type: fc.constant('int8' as const), value: fc.integer({ min: -128, max: 127 }) }),
  fc.record({ type: fc.constant('uint8' as const), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ type: fc.constant('int16' as const), value: fc.integer({ min: -32768, max: 32767 }) }),
  fc.record({ type: fc.constant('uint16' as const), value: fc.integer({ min: 0, max: 65535 }) }),
  fc.record({ type: fc.constant('int32' as const), value: fc.integer() }),
  fc.record({ type: fc.constant('uint32' as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  fc.record({ type: fc.constant('float' as const), value: fc.float() }),
  fc.record({ type: fc.constant('double' as const), value: fc.double() }),
  fc.record({ type: fc.constant('int64' as const), value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }),
  fc.record({ type: fc.constant('timestamp' as const), value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
  fc.record({
    type: fc.constant('decimal' as const),
    scale: fc.integer({ min: 0, max: 255 }),
    value: fc.integer(),
  }),
  fc.record({ type: fc.constantFrom('longstr' as const, 'bytes' as const), value: fc.uint8Array({ maxLength: 12 }) }),
  fc.constant({ type: 'void' as const }),
);

const fieldName = fc.string({ unit: 'grapheme', maxLength: 8 });

/** Values of every type, nested up to a few levels. */
export const anyFieldValue: fc.Arbitrary<FieldValue> = fc.letrec<{ value: FieldValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.record({ type: fc.constant('array' as const), value: fc.array(tie('value'), { maxLength: 4 }) }),
    fc.record({
      type: fc.constant('table' as const),
      value: fc.array(fc.tuple(fieldName, tie('value')), { maxLength: 4 }).map((fields) => new Map(fields)),
    }),
  ),
})).value;

/** Tables of such values. */
export const anyFieldTable: fc.Arbitrary<FieldTable> = fc
  .array(fc.tuple(fieldName, anyFieldValue), { maxLength: 6 })
  .map((fields) => new Map(fields));

const shortString = fc.string({ unit: 'grapheme', maxLength: 20 });

/** Any of the properties, each present or not. */
export const anyProperties: fc.Arbitrary<BasicProperties> = fc.record(
  {
    contentType: shortString,
    contentEncoding: shortString,
    headers: anyFieldTable,
    deliveryMode: fc.integer({ min: 0, max: 255 }),
    priority: fc.integer({ min: 0, max: 255 }),
    correlationId: shortString,
    replyTo: shortString,
    expiration: shortString,
    messageId: shortString,
    timestamp: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    type: shortString,
    userId: shortString,
    appId: shortString,
    clusterId: shortString,
  },
  { requiredKeys: [] },
);
