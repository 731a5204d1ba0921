import { InvalidArgumentError } from 'commander';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileFormat, messageAsJson, type PrintableMessage } from './message-format.js';

const message: PrintableMessage = {
  partition: 2,
  offset: 40,
  timestamp: Date.parse('2026-01-02T03:04:05.678Z'),
  key: Buffer.from('k1'),
  value: Buffer.from('värde'),
  headers: [
    ['trace', Buffer.from('7')],
    ['gone', null],
  ],
};
const format = (text: string, changed: Partial<PrintableMessage> = {}) =>
  Buffer.from(compileFormat(text, 'orders')({ ...message, ...changed })).toString();

describe('message formats', () => {
  it('replaces every letter', () => {
    expect(format('%t[%p]@%o %k=%v (%K,%S) %T %D %h %r %%')).toBe(
      'orders[2]@40 k1=värde (2,6) 1767323045678 2026-01-02T03:04:05.678Z trace=7,gone= 0 %',
    );
  });

  it('prints null as nothing, with a size of -1', () => {
    expect(format('<%k|%v> %K %S', { key: null, value: null })).toBe('<|> -1 -1');
  });

  it('understands escapes, and names letters that mean nothing', () => {
    expect(format('%o\\t%k\\n')).toBe('40\tk1\n');
    expect(() => compileFormat('%o %x', 'orders')).toThrow(InvalidArgumentError);
    expect(() => compileFormat('100%', 'orders')).toThrow(InvalidArgumentError);
  });

  it('passes bytes that are no text', () => {
    const bytes = Uint8Array.of(0, 255, 128, 10);
    expect(compileFormat('%v', 'orders')({ ...message, value: bytes })).toEqual(Buffer.from(bytes));
  });
});

describe('messages as JSON', () => {
  it('gives text as text and other bytes in base64', () => {
    const json = messageAsJson(
      { ...message, value: Uint8Array.of(255, 0), deliveryCount: 1, redelivered: true },
      'orders',
    );
    expect(json).toEqual({
      from: 'orders',
      partition: 2,
      offset: 40,
      timestamp: '2026-01-02T03:04:05.678Z',
      key: 'k1',
      valueBase64: '/wA=',
      headers: [
        { name: 'trace', value: '7' },
        { name: 'gone', value: null },
      ],
      deliveryCount: 1,
      redelivered: true,
    });
  });

  it('loses no byte of any value', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (value) => {
        const json = messageAsJson({ ...message, value }, 'orders');
        const back =
          typeof json['value'] === 'string'
            ? Buffer.from(json['value'])
            : Buffer.from(String(json['valueBase64']), 'base64');
        expect(back).toEqual(Buffer.from(value));
      }),
    );
  });
});
