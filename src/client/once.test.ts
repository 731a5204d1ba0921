import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createOnce, memoryOnceStore } from './once.js';

afterEach(() => {
  vi.useRealTimers();
});

describe('once', () => {
  it('runs a handler once per key, and again when it has failed', async () => {
    const once = createOnce();
    let runs = 0;
    const handler = (): void => {
      if (++runs === 1) throw new Error('the first time');
    };
    await expect(once('a', handler)).rejects.toThrow('the first time');
    expect(await once('a', handler)).toBe(true);
    expect(await once('a', handler)).toBe(false);
    expect(await once('b', handler)).toBe(true);
    expect(runs).toBe(3);
  });

  it('runs one handler at a time per key, whatever happens at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ key: fc.constantFrom('a', 'b'), fails: fc.boolean() })), async (calls) => {
        const once = createOnce();
        const running = new Set<string>();
        const succeeded: string[] = [];
        await Promise.allSettled(
          calls.map(({ key, fails }) =>
            once(key, async () => {
              if (running.has(key)) throw new Error('two at once');
              running.add(key);
              await Promise.resolve();
              await Promise.resolve();
              running.delete(key);
              if (fails) throw new Error('fails');
              succeeded.push(key);
            }),
          ),
        ).then((results) => {
          for (const result of results) if (result.status === 'rejected') expect(result.reason.message).toBe('fails');
        });
        const expected = new Set(calls.filter(({ fails }) => !fails).map(({ key }) => key));
        expect(succeeded.sort()).toEqual([...expected].sort());
      }),
    );
  });
});

describe('the store in memory', () => {
  it('is bounded: what nobody has asked for longest goes first', () => {
    const store = memoryOnceStore({ maxKeys: 2 });
    void store.add('a');
    void store.add('b');
    expect(store.has('a')).toBe(true);
    void store.add('c');
    expect(['a', 'b', 'c'].map((key) => store.has(key))).toEqual([true, false, true]);
  });

  it('forgets after its window', () => {
    vi.useFakeTimers();
    const store = memoryOnceStore({ windowMs: 1000 });
    void store.add('a');
    vi.advanceTimersByTime(999);
    expect(store.has('a')).toBe(true);
    vi.advanceTimersByTime(1);
    expect(store.has('a')).toBe(false);
  });
});
