import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError, EncodeError } from '../../base/errors.js';
import { encodeTable } from './field-table.js';
import { anyFieldTable, anyProperties } from './fixtures/arbitraries.js';
import * as properties from './properties.js';

describe('properties', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(anyProperties, (given) => {
        const bytes = properties.encodeProperties(given);
        properties.verifyProperties(bytes);
        expect(properties.readProperties(bytes)).toEqual(given);
      }),
    );
  });

  it('are read in place as by the full reader', () => {
    fc.assert(
      fc.property(anyProperties, (given) => {
        const bytes = properties.encodeProperties(given);
        expect(properties.deliveryModeOf(bytes)).toBe(given.deliveryMode ?? 0);
        expect(properties.priorityOf(bytes)).toBe(given.priority ?? 0);
        expect(properties.messageIdOf(bytes)).toBe(given.messageId);
        expect(properties.userIdOf(bytes)).toBe(given.userId);
        expect(properties.replyToOf(bytes)).toBe(given.replyTo);
        const headers = given.headers === undefined ? undefined : encodeTable(given.headers);
        expect(properties.headersOf(bytes)).toEqual(headers);
      }),
    );
  });

  it('are refused wherever they are cut, and with bytes behind them', () => {
    fc.assert(
      fc.property(anyProperties, (given) => {
        const bytes = properties.encodeProperties(given);
        for (let end = 0; end < bytes.length; end++) {
          expect(() => properties.verifyProperties(bytes.subarray(0, end))).toThrow(DecodeError);
        }
        expect(() => properties.verifyProperties(Uint8Array.of(...bytes, 0))).toThrow(DecodeError);
      }),
    );
  });

  it('throw nothing but a DecodeError, and what passes can be read', () => {
    fc.assert(
      fc.property(anyProperties, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), (given, changes) => {
        const bytes = properties.encodeProperties(given);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        try {
          properties.verifyProperties(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
          return;
        }
        properties.readProperties(bytes);
      }),
    );
  });

  it.each([
    ['a second word of flags', Uint8Array.of(0, 1)],
    ['an unknown property', Uint8Array.of(0, 2)],
    ['a headers table that is longer than all', Uint8Array.of(0x20, 0, 0xff, 0xff, 0xff, 0xff)],
    ['a broken headers table', Uint8Array.of(0x20, 0, 0, 0, 0, 1, 5)],
    ['a short string that is longer than all', Uint8Array.of(0x80, 0, 9, 1)],
  ])('refuse %s', (_name, bytes) => {
    expect(() => properties.verifyProperties(bytes)).toThrow(DecodeError);
  });

  it('are two zero bytes when there are none', () => {
    expect(properties.encodeProperties({})).toEqual(properties.EMPTY_PROPERTIES);
    properties.verifyProperties(properties.EMPTY_PROPERTIES);
  });

  it.each([
    [undefined, properties.NO_EXPIRATION],
    ['0', 0],
    ['60000', 60_000],
    ['+5', 5],
    ['-0', 0],
    ['4294967295', 2 ** 32 - 1],
    ['4294967296', properties.INVALID_EXPIRATION],
    ['99999999999999999999', properties.INVALID_EXPIRATION],
    ['-1', properties.INVALID_EXPIRATION],
    ['', properties.INVALID_EXPIRATION],
    ['+', properties.INVALID_EXPIRATION],
    ['1s', properties.INVALID_EXPIRATION],
    ['1.5', properties.INVALID_EXPIRATION],
  ])('have an expiration of "%s" as %d ms', (expiration, wanted) => {
    const bytes = properties.encodeProperties({ ...(expiration === undefined ? {} : { expiration }), messageId: '77' });
    expect(properties.expirationMsOf(bytes)).toBe(wanted);
  });

  it('exchange their headers and leave the rest alone', () => {
    fc.assert(
      fc.property(anyProperties, fc.option(anyFieldTable, { nil: undefined }), (given, headers) => {
        const { headers: _old, ...rest } = given;
        const bytes = properties.encodeProperties(given);
        const replaced = properties.replaceHeaders(bytes, headers === undefined ? undefined : encodeTable(headers));
        expect(replaced).toEqual(properties.encodeProperties(headers === undefined ? rest : { ...rest, headers }));
      }),
    );
  });

  it('refuse to write what a field cannot hold', () => {
    expect(() => properties.encodeProperties({ priority: 256 })).toThrow(EncodeError);
    expect(() => properties.encodeProperties({ timestamp: -1n })).toThrow(EncodeError);
    expect(() => properties.encodeProperties({ messageId: 'm'.repeat(256) })).toThrow(EncodeError);
  });
});
