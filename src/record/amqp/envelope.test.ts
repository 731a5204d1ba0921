import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeUtf8, readUtf8 } from '../../base/utf8.js';
import { BatchBuilder } from '../batch-builder.js';
import { RecordCursor } from '../record-reader.js';
import type { RecordHeader } from '../records.js';
import {
  ENVELOPE_HEADER,
  type Envelope,
  EnvelopeWriter,
  type MessageOrigin,
  otherHeaders,
  readEnvelope,
} from './envelope.js';
import type { FieldTable, FieldValue } from './field-table.js';
import { anyProperties } from './fixtures/arbitraries.js';
import { EMPTY_PROPERTIES, encodeProperties } from './properties.js';

/** The headers as a record holds them: Kafka's encoding. */
function stored(headers: readonly RecordHeader[]): Uint8Array {
  const builder = new BatchBuilder();
  builder.start();
  builder.append(null, encodeUtf8('body'), 0, headers);
  const cursor = new RecordCursor().open(builder.finish(), 0);
  cursor.next();
  // The count is one byte here: no test writes more than 63 headers.
  return cursor.bytes.subarray(cursor.headersStart - 1, cursor.recordEnd);
}

const anyOrigin: fc.Arbitrary<MessageOrigin> = fc.record({
  vhost: fc.string({ unit: 'grapheme' }),
  queue: fc.string({ unit: 'grapheme' }),
  partition: fc.nat(),
  offset: fc.maxSafeNat(),
  reason: fc.constantFrom('rejected', 'expired', 'maxlen', 'delivery_limit'),
});

const anyEnvelope: fc.Arbitrary<Envelope> = fc
  .record({
    exchange: fc.string({ unit: 'grapheme', maxLength: 150 }),
    routingKey: fc.string({ unit: 'grapheme', maxLength: 150 }),
    properties: anyProperties.map(encodeProperties),
    origin: fc.option(anyOrigin, { nil: undefined }),
  })
  .map(({ origin, ...rest }) => (origin === undefined ? rest : { ...rest, origin }));

function headersWith(value: Uint8Array): Uint8Array {
  return stored([[ENVELOPE_HEADER, value]]);
}

function plain(exchange: string, properties = EMPTY_PROPERTIES, origin?: MessageOrigin): Uint8Array {
  return new EnvelopeWriter().headers(exchange, 'key', properties, origin)[0]![1]!;
}

describe('the envelope', () => {
  it('comes back as it was written, with one writer for all', () => {
    const writer = new EnvelopeWriter();
    fc.assert(
      fc.property(anyEnvelope, (given) => {
        const headers = writer.headers(given.exchange, given.routingKey, given.properties, given.origin);
        expect(readEnvelope(stored(headers))).toEqual(given);
      }),
    );
  });

  it('is drawn in docs/formats/envelope.md', () => {
    const origin = { vhost: '/', queue: 'q', partition: 3, offset: 300, reason: 'expired' };
    expect([...plain('ex', Uint8Array.of(0x10, 0, 2), origin)]).toEqual([
      ...[1, 0, 2, 0x65, 0x78, 3, 0x6b, 0x65, 0x79, 3, 0x10, 0, 2],
      ...[1, 15, 1, 0x2f, 1, 0x71, 3, 0xac, 0x02, 7, 0x65, 0x78, 0x70, 0x69, 0x72, 0x65, 0x64],
    ]);
  });

  it('is absent from records of other doors', () => {
    expect(readEnvelope(stored([]))).toBeUndefined();
    expect(readEnvelope(new Uint8Array(0))).toBeUndefined();
    expect(readEnvelope(stored([['trace', encodeUtf8('1')]]))).toBeUndefined();
    expect(readEnvelope(stored([[ENVELOPE_HEADER, null]]))).toBeUndefined();
  });

  it('is absent where what is there is none: cut anywhere, of another version, with unknown flags or broken properties', () => {
    const value = plain('ex', encodeProperties({ messageId: 'm' }));
    for (let end = 0; end < value.length; end++)
      expect(readEnvelope(headersWith(value.subarray(0, end)))).toBeUndefined();
    expect(readEnvelope(headersWith(value.with(0, 2)))).toBeUndefined();
    expect(readEnvelope(headersWith(value.with(1, 1)))).toBeUndefined();
    expect(readEnvelope(headersWith(value.with(value.length - 2, 9)))).toBeUndefined();
    expect(readEnvelope(headersWith(value))).toBeDefined();
  });

  it('does not read past the header that holds it', () => {
    const cut = plain('ex').subarray(0, -1);
    expect(
      readEnvelope(
        stored([
          [ENVELOPE_HEADER, cut],
          ['a', encodeUtf8('more bytes')],
        ]),
      ),
    ).toBeUndefined();
  });

  it('passes over sections of later versions', () => {
    const origin = { vhost: '/', queue: 'q', partition: 0, offset: 1, reason: 'maxlen' };
    const value = plain('ex', EMPTY_PROPERTIES, origin);
    const sectionAt = plain('ex').length;
    const longer = [...value.subarray(0, sectionAt), 99, 2, 7, 7, ...value.subarray(sectionAt), 98, 0];
    expect(readEnvelope(headersWith(Uint8Array.from(longer)))?.origin).toEqual(origin);
    expect(readEnvelope(headersWith(Uint8Array.from([...value, 99, 2, 7])))).toBeUndefined();
  });
});

describe('record headers beside the envelope', () => {
  const table: FieldTable = new Map<string, FieldValue>([
    ['text', { type: 'longstr', value: encodeUtf8('käse') }],
    ['raw', { type: 'bytes', value: Uint8Array.of(0, 255) }],
    ['count', { type: 'int32', value: -5 }],
    ['big', { type: 'int64', value: 2n ** 60n }],
    ['half', { type: 'double', value: 0.5 }],
    ['yes', { type: 'boolean', value: true }],
    ['when', { type: 'timestamp', value: 1_700_000_000n }],
    ['price', { type: 'decimal', scale: 2, value: 1999 }],
    ['nothing', { type: 'void' }],
    ['list', { type: 'array', value: [] }],
    ['nested', { type: 'table', value: new Map() }],
    [ENVELOPE_HEADER, { type: 'longstr', value: encodeUtf8('forged') }],
  ]);

  it('hold what they can express', () => {
    const headers = stored(new EnvelopeWriter().headers('', 'key', encodeProperties({ headers: table })));
    const seen = [...otherHeaders(headers)].map(([name, value]) => [
      name,
      value === null ? null : name === 'raw' ? [...value] : readUtf8(value, 0, value.length),
    ]);
    expect(seen).toEqual([
      ['text', 'käse'],
      ['raw', [0, 255]],
      ['count', '-5'],
      ['big', '1152921504606846976'],
      ['half', '0.5'],
      ['yes', 'true'],
      ['when', '1700000000'],
      ['price', '1999e-2'],
      ['nothing', null],
    ]);
    expect(readEnvelope(headers)?.routingKey).toBe('key');
  });

  it('are read from records of other doors too', () => {
    expect([...otherHeaders(stored([]))]).toEqual([]);
    expect([...otherHeaders(stored([['a', null]]))]).toEqual([['a', null]]);
  });
});
