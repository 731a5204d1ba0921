import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EnvelopeWriter } from '../../record/amqp/envelope.js';
import { EMPTY_PROPERTIES, encodeProperties } from '../../record/amqp/properties.js';
import { BatchBuilder } from '../../record/batch-builder.js';
import { expiryOf, priorityIn, propertiesAt, visitBatch } from './message-facts.js';

describe('facts about a message', () => {
  it('are read in place, wherever the envelope’s lengths need more than a byte', () => {
    const text = fc.string({ maxLength: 200 });
    fc.assert(
      fc.property(text, text, fc.nat(255), fc.nat(100_000), text, (exchange, key, priority, expirationMs, type) => {
        const properties = encodeProperties({ priority, expiration: `${expirationMs}`, type: type.slice(0, 60) });
        const builder = new BatchBuilder().start();
        builder.append(null, new Uint8Array(300), 5, new EnvelopeWriter().headers(exchange, key, properties));
        let visits = 0;
        visitBatch(builder.finish(), (index, bodyBytes, found) => {
          visits++;
          expect([index, bodyBytes]).toEqual([0, 300]);
          expect(found).toEqual(properties);
          expect(priorityIn(found, 9)).toBe(Math.min(priority, 9));
          expect(expiryOf(5, found, -1)).toBe(5 + expirationMs);
        });
        expect(visits).toBe(1);
      }),
    );
  });

  it('are none for records of other doors, and for bytes that only look like an envelope', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const forged = Uint8Array.of(2, 16, ...new TextEncoder().encode('duolog.m'), bytes.length * 2, ...bytes);
        const found = propertiesAt(forged, 0, forged.length);
        expect(found.length).toBeGreaterThanOrEqual(EMPTY_PROPERTIES.length);
        expect(priorityIn(found, 9)).toBeLessThanOrEqual(9);
        expect(Number.isNaN(expiryOf(5, found, 100))).toBe(false);
      }),
    );
    expect(propertiesAt(Uint8Array.of(0), 0, 1)).toBe(EMPTY_PROPERTIES);
  });

  it('say when a message expires: the shorter of both times, never without any', () => {
    const expiry = (expiration: string | undefined, ttlMs: number): number =>
      expiryOf(1000, encodeProperties(expiration === undefined ? {} : { expiration }), ttlMs);
    expect([expiry('5', -1), expiry('5', 3), expiry('5', 9), expiry(undefined, 3)]).toEqual([1005, 1003, 1005, 1003]);
    expect(expiry(undefined, -1)).toBe(Number.POSITIVE_INFINITY);
    expect(expiryOf(-1, EMPTY_PROPERTIES, 10)).toBe(Number.POSITIVE_INFINITY);
  });
});
