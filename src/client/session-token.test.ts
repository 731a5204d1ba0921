import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ClientError } from './errors.js';
import type { TokenProvider } from './options.js';
import { SessionToken } from './session-token.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A node that takes tokens, each for ten seconds. */
function tokenWith(source: string | TokenProvider, answer: (token: string) => number = () => 10_000) {
  const sent: string[] = [];
  const token = new SessionToken(source, async (one) => {
    sent.push(one);
    return answer(one);
  });
  return { token, sent };
}

function counted(): TokenProvider {
  let count = 0;
  return async () => `t${++count}`;
}

describe('a source of tokens', () => {
  test('is asked before each connection, and when a fifth of the time is left', async () => {
    const { token, sent } = tokenWith(counted());
    await token.fetch();
    expect(token.token).toBe('t1');
    token.opened(10_000);
    await vi.advanceTimersByTimeAsync(7_999);
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect([sent, token.token]).toEqual([['t2'], 't2']);
    await vi.advanceTimersByTimeAsync(8_000);
    expect(sent).toEqual(['t2', 't3']);
    token.closed();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent).toEqual(['t2', 't3']);
  });

  test('is asked a minute before, when the token counts for long, and never all the time', async () => {
    const long = tokenWith(counted());
    long.token.opened(3_600_000);
    await vi.advanceTimersByTimeAsync(3_539_999);
    expect(long.sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(long.sent).toHaveLength(1);
    const short = tokenWith(counted(), () => 1);
    short.token.opened(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(short.sent).toHaveLength(20);
    const endless = tokenWith(counted());
    endless.token.opened(Number.MAX_SAFE_INTEGER);
    await vi.advanceTimersByTimeAsync(1_000_000);
    expect(endless.sent).toEqual([]);
  });

  test('that fails, or gives what the node does not take, is asked again', async () => {
    let calls = 0;
    const { token, sent } = tokenWith(
      () => {
        calls++;
        if (calls === 1) throw new Error('the issuer is out');
        return `t${calls}`;
      },
      (one) => {
        if (one === 't2') throw new ClientError('forbidden', 'no');
        return 10_000;
      },
    );
    token.token = 'first';
    token.opened(10_000);
    await vi.advanceTimersByTimeAsync(9_000);
    expect([sent, token.token]).toEqual([['t2'], 'first']);
    await vi.advanceTimersByTimeAsync(1_000);
    expect([sent, token.token]).toEqual([['t2', 't3'], 't3']);
  });

  test('that answers when the connection is gone changes nothing', async () => {
    let give: (token: string) => void = () => {};
    const { token, sent } = tokenWith(() => new Promise((resolve) => (give = resolve)));
    token.opened(10_000);
    await vi.advanceTimersByTimeAsync(8_000);
    token.closed();
    token.opened(10_000);
    give('late');
    await vi.advanceTimersByTimeAsync(1);
    expect(sent).toEqual([]);
  });
});

test('a token by hand: kept when the node takes it, or the connection breaks meanwhile; not when it is refused', async () => {
  const { token, sent } = tokenWith('first', (one) => {
    if (one === 'bad') throw new ClientError('forbidden', 'no');
    if (one === 'lost') throw new ClientError('connection-lost', 'gone');
    return 10_000;
  });
  token.opened(10_000);
  await token.renew('second');
  expect(token.token).toBe('second');
  await expect(token.renew('bad')).rejects.toMatchObject({ code: 'forbidden' });
  expect(token.token).toBe('second');
  await token.renew('lost');
  expect(token.token).toBe('lost');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(sent).toEqual(['second', 'bad', 'lost']);
});
