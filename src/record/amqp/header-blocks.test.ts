import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeHeaders } from '../batch-builder.js';
import { EnvelopeCursor, EnvelopeWriter, readEnvelope } from './envelope.js';
import { HeaderBlocks } from './header-blocks.js';
import { HeaderTemplate } from './header-template.js';
import { KEPT_BLOCK_PROPERTIES_BYTES } from './limits.js';
import { encodeProperties } from './properties.js';

/** Few values, so that slots are met again with the same and with others. */
const names = fc.constantFrom('', 'a', 'b', 'key-1', 'key-2', 'yek-2', 'ü'.repeat(60));
const properties = fc
  .record(
    {
      contentType: fc.constantFrom('text/plain', 'text/plaim', 'x'.repeat(250)),
      deliveryMode: fc.constantFrom(1, 2),
      headers: fc.constantFrom(
        new Map([['one', { type: 'longstr', value: new Uint8Array([1, 2]) } as const]]),
        new Map([['one', { type: 'longstr', value: new Uint8Array(KEPT_BLOCK_PROPERTIES_BYTES) } as const]]),
      ),
    },
    { requiredKeys: [] },
  )
  .map((given) => encodeProperties(given));
const messages = fc.array(fc.tuple(names, names, properties), { maxLength: 40 });

describe('headers of messages that are published again and again', () => {
  test('are what they would be without memory, although the caller uses its bytes again', () => {
    fc.assert(
      fc.property(messages, (list) => {
        const blocks = new HeaderBlocks((properties) => ({ properties }));
        const lent = new Uint8Array(1024);
        for (const [exchange, routingKey, given] of list) {
          lent.set(given);
          const headers = blocks.headersFor(exchange, routingKey, lent.subarray(0, given.length));
          expect(headers).toEqual(encodeHeaders(new EnvelopeWriter().headers(exchange, routingKey, given)));
          lent.fill(0);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('are made once for the same message, of the properties that are to be stored', () => {
    let prepared = 0;
    const stored = encodeProperties({ deliveryMode: 2 });
    const blocks = new HeaderBlocks(() => {
      prepared++;
      return { properties: stored };
    });
    const given = encodeProperties({ deliveryMode: 1 });
    const first = blocks.headersFor('e', 'k', given);
    expect(blocks.headersFor('e', 'k', given.slice())).toBe(first);
    expect(prepared).toBe(1);
    expect(readEnvelope(first)?.properties).toEqual(stored);
  });
});

describe('headers with another key', () => {
  test('are those that are encoded with it, whatever the lengths, and keep what else there is', () => {
    const headers = new Map([['one', { type: 'longstr', value: new Uint8Array([1, 2]) } as const]]);
    const writer = new EnvelopeWriter();
    const encoded = (exchange: string, key: string, given: Uint8Array): Uint8Array =>
      encodeHeaders(writer.headers(exchange, key, given, undefined, ['blind']));
    fc.assert(
      fc.property(
        fc.string({ maxLength: 80 }),
        fc.array(fc.string({ unit: 'grapheme', maxLength: 200 })),
        (exchange, keys) => {
          for (const given of [encodeProperties({}), encodeProperties({ headers })]) {
            const template = new HeaderTemplate(encoded(exchange, '', given));
            let target: Uint8Array = new Uint8Array(0);
            for (const key of keys) {
              target = template.fill(key, target);
              expect(target).toEqual(encoded(exchange, key, given));
            }
          }
        },
      ),
    );
  });
});

describe('an envelope read in place', () => {
  test('has the parts that were written, whatever was opened before', () => {
    const cursor = new EnvelopeCursor();
    fc.assert(
      fc.property(names, names, properties, (exchange, routingKey, given) => {
        const headers = encodeHeaders(new EnvelopeWriter().headers(exchange, routingKey, given));
        expect(cursor.open(headers)).toBe(true);
        const text = (start: number, end: number): string => new TextDecoder().decode(headers.subarray(start, end));
        expect(text(cursor.exchangeStart, cursor.exchangeEnd)).toBe(exchange);
        expect(text(cursor.routingKeyStart, cursor.routingKeyEnd)).toBe(routingKey);
        expect(headers.subarray(cursor.propertiesStart, cursor.propertiesEnd)).toEqual(given);
      }),
    );
  });

  test('is refused when its properties are none, also behind good ones of the same length', () => {
    const cursor = new EnvelopeCursor();
    const good = encodeHeaders(new EnvelopeWriter().headers('e', 'k', encodeProperties({ contentType: 'abc' })));
    expect(cursor.open(good)).toBe(true);
    expect(cursor.open(good)).toBe(true);
    const bad = good.slice();
    // The length of the content type, which is in front of it.
    bad[cursor.propertiesStart + 2] = 200;
    expect(cursor.open(bad)).toBe(false);
    expect(readEnvelope(bad)).toBeUndefined();
    expect(cursor.open(good)).toBe(true);
  });

  test('is not found in other records', () => {
    const cursor = new EnvelopeCursor();
    expect(cursor.open(new Uint8Array(1))).toBe(false);
    expect(cursor.open(encodeHeaders([['other', new Uint8Array([1])]]))).toBe(false);
  });
});
