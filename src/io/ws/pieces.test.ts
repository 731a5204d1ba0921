import { describe, expect, it } from 'vitest';
import { hasNodeReusePort } from '../listen/shared-listen.js';
import { addressFromBytes, plainAddress } from './address.js';
import { frameHeaderBytes, prepareFrame } from './frame.js';
import { fittingReason, handshakeFault, isSendableCloseCode, offeredSubprotocols } from './handshake.js';
import { HttpBody } from './http-body.js';

describe('addresses', () => {
  it('have one spelling, whichever engine tells them', () => {
    const cases: [bytes: number[], text: string][] = [
      [[127, 0, 0, 1], '127.0.0.1'],
      [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3], '10.1.2.3'],
      [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], '::1'],
      [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2], '2001:db8::1:2'],
      [[], ''],
    ];
    for (const [bytes, text] of cases) expect(addressFromBytes(Uint8Array.from(bytes))).toBe(text);
    expect(plainAddress('::ffff:10.1.2.3')).toBe('10.1.2.3');
    expect(plainAddress('2001:db8::1:2')).toBe('2001:db8::1:2');
    expect(plainAddress(undefined)).toBe('');
  });
});

describe('frames', () => {
  it('carry their length as RFC 6455 §5.2 draws it', () => {
    const head = (length: number): string => {
      const { wire } = prepareFrame(new Uint8Array(length), length % 2 === 1);
      return Buffer.from(wire.subarray(0, frameHeaderBytes(length))).toString('hex');
    };
    expect([0, 125, 126, 65_535, 65_536, 0x0102_0304].map(head)).toEqual([
      '8200',
      '817d',
      '827e007e',
      '817effff',
      '827f0000000000010000',
      '827f0000000001020304',
    ]);
  });

  it('copy their payload', () => {
    const payload = Buffer.from('payload');
    const frame = prepareFrame(payload);
    payload.fill(0);
    expect(Buffer.from(frame.payload).toString()).toBe('payload');
    expect(Buffer.from(frame.wire).toString('latin1')).toBe('\x82\x07payload');
  });
});

describe('handshakes', () => {
  it('are checked against RFC 6455 §4.2.1', () => {
    const sound = new Map([
      ['upgrade', 'WebSocket'],
      ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
      ['sec-websocket-version', '13'],
    ]);
    const fault = (method: string, changes: [string, string][] = []): string | undefined => {
      const headers = new Map([...sound, ...changes]);
      return handshakeFault(method, (name) => headers.get(name) ?? '');
    };
    expect(fault('GET')).toBeUndefined();
    expect(fault('POST')).toContain('POST');
    expect(fault('GET', [['upgrade', 'h2c']])).toContain('Upgrade');
    expect(fault('GET', [['sec-websocket-key', 'short']])).toContain('Key');
    expect(fault('GET', [['sec-websocket-version', '8']])).toContain('13');
  });

  it('offer subprotocols in order', () => {
    expect(offeredSubprotocols('')).toEqual([]);
    expect(offeredSubprotocols('amqp , mqtt,,x')).toEqual(['amqp', 'mqtt', 'x']);
  });
});

describe('closing', () => {
  it('only sends codes that may be sent', () => {
    expect([1000, 1001, 1003, 1007, 1013, 3000, 4999].every(isSendableCloseCode)).toBe(true);
    expect([0, 999, 1004, 1005, 1006, 1015, 2999, 5000].some(isSendableCloseCode)).toBe(false);
  });

  it('cuts reasons between characters', () => {
    expect(fittingReason('a'.repeat(123))).toBe('a'.repeat(123));
    expect(fittingReason('a'.repeat(124))).toBe('a'.repeat(123));
    expect(fittingReason(`${'a'.repeat(122)}ü`)).toBe('a'.repeat(122));
    expect(fittingReason(`${'a'.repeat(120)}😀`)).toBe('a'.repeat(120));
  });
});

describe('HTTP bodies', () => {
  it('come whole to whoever asks before or after', async () => {
    const body = new HttpBody(10);
    const early = body.read();
    expect(body.append(Buffer.from('hello'))).toBe(true);
    expect(body.append(Buffer.from('world'))).toBe(true);
    body.complete();
    for (const bytes of [await early, await body.read()]) expect(Buffer.from(bytes).toString()).toBe('helloworld');
  });

  it('fail over the limit and when the client goes', async () => {
    const long = new HttpBody(4);
    const waiting = long.read();
    expect(long.append(Buffer.from('hello'))).toBe(false);
    long.complete();
    await expect(waiting).rejects.toMatchObject({ code: 'body-too-large' });
    const cut = new HttpBody(4);
    cut.abort();
    await expect(cut.read()).rejects.toMatchObject({ code: 'request-aborted' });
  });
});

describe('reusePort', () => {
  it('is known to Node from 22.12 and 23.1', () => {
    const known = ['22.12.0', '22.20.1', '23.1.0', '24.0.0', '26.1.0'];
    const unknown = ['18.20.0', '20.20.2', '21.7.0', '22.11.0', '23.0.0'];
    expect(known.filter(hasNodeReusePort)).toEqual(known);
    expect(unknown.filter(hasNodeReusePort)).toEqual([]);
  });
});
