import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { correlationSlot, OwedReplies, ReplyCredit } from './credit.js';
import { NOTICE_CORRELATION } from './layout.js';
import { MAX_OUTSTANDING_REQUESTS } from './limits.js';

describe('reply credit', () => {
  it('never reserves beyond its limit, and gives back exactly what was released', () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant('take' as const), bytes: fc.integer({ min: 1, max: 400 }) }),
      fc.record({ op: fc.constant('settle' as const), which: fc.nat() }),
      fc.record({ op: fc.constant('release' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const credit = new ReplyCredit(1000);
        const open: { correlation: number; bytes: number }[] = [];
        let reserved = 0;
        let settled = 0;
        for (const current of steps) {
          if (current.op === 'take') {
            expect(credit.allows(current.bytes)).toBe(reserved + current.bytes <= 1000);
            if (!credit.allows(current.bytes)) continue;
            const correlation = credit.take(current.bytes);
            expect(open.some((other) => correlationSlot(other.correlation) === correlationSlot(correlation))).toBe(
              false,
            );
            open.push({ correlation, bytes: current.bytes });
            reserved += current.bytes;
          } else if (current.op === 'settle' && open.length > 0) {
            const [request] = open.splice(current.which % open.length, 1);
            credit.settle(request!.correlation);
            settled += request!.bytes;
          } else if (current.op === 'release') {
            expect(credit.releaseSettled()).toBe(settled > 0);
            reserved -= settled;
            settled = 0;
          }
          expect([credit.reservedBytes, credit.outstanding]).toEqual([reserved, open.length]);
        }
      }),
    );
  });

  it('takes a reply to no request, and a second one, for the bugs that they are', () => {
    const credit = new ReplyCredit(1000);
    const first = credit.take(10);
    credit.settle(first);
    expect(() => credit.settle(first)).toThrow('no request');
    const second = credit.take(10);
    expect(correlationSlot(second)).toBe(correlationSlot(first));
    expect(() => credit.settle(first)).toThrow('no request');
    expect(() => credit.settle(4711)).toThrow('no request');
  });

  it('has a slot for as many requests as there are correlations, and refuses more', () => {
    const credit = new ReplyCredit(Number.MAX_SAFE_INTEGER);
    for (let count = 0; count < MAX_OUTSTANDING_REQUESTS; count++) credit.take(1);
    expect(credit.allows(1)).toBe(false);
  });

  it('never names a request as it names a notice', () => {
    const credit = new ReplyCredit(Number.MAX_SAFE_INTEGER);
    const held: number[] = [];
    for (let count = 0; count < MAX_OUTSTANDING_REQUESTS; count++) held.push(credit.take(1));
    let last = held.at(-1)!;
    for (let generation = 0; generation < 70_000; generation++) {
      credit.settle(last);
      last = credit.take(1);
      if (last === NOTICE_CORRELATION) expect.unreachable();
    }
  });
});

describe('owed replies', () => {
  it('knows what is owed, until it is paid', () => {
    const owed = new OwedReplies();
    const correlation = (0xfffe << 16) | 500;
    owed.add(correlation >>> 0, 77);
    expect([owed.has(correlation >>> 0), owed.sizeOf(correlation >>> 0), owed.outstanding]).toEqual([true, 77, 1]);
    expect(owed.has(500)).toBe(false);
    expect(() => owed.add(500, 1)).toThrow('before the reply');
    owed.remove(correlation >>> 0);
    expect(() => owed.sizeOf(correlation >>> 0)).toThrow('No reply is owed');
    expect(owed.outstanding).toBe(0);
  });
});
