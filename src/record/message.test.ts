import { describe, expect, it } from 'vitest';
import { encodeUtf8 } from '../base/utf8.js';
import { checkClientHeaders, isReservedHeaderName, messageOf, RESERVED_HEADER_NAME } from './message.js';

describe('messages', () => {
  const value = Uint8Array.of(1);

  it('are records without the reserved header', () => {
    const record = {
      offset: 4,
      timestamp: 9,
      key: null,
      value,
      headers: [
        [RESERVED_HEADER_NAME, value],
        ['a', null],
      ] as const,
    };
    expect(messageOf(record)).toEqual({ key: null, body: value, headers: [['a', null]], timestamp: 9 });
    const plain = { ...record, headers: [['duolog.m2', value]] as const };
    expect(messageOf(plain).headers).toBe(plain.headers);
  });

  it('may not carry the reserved header when a client sends them', () => {
    expect(() =>
      checkClientHeaders([
        ['duolog', null],
        ['duolog.mm', null],
      ]),
    ).not.toThrow();
    expect(() =>
      checkClientHeaders([
        ['a', null],
        ['duolog.m', null],
      ]),
    ).toThrow('the header "duolog.m"');
  });

  it('have it recognised without decoding', () => {
    const bytes = encodeUtf8('xduolog.my');
    expect(isReservedHeaderName(bytes, 1, 9)).toBe(true);
    expect(isReservedHeaderName(bytes, 1, 10)).toBe(false);
    expect(isReservedHeaderName(bytes, 0, 8)).toBe(false);
  });
});
