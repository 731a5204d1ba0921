import { describe, expect, it } from 'vitest';
import { realClock, realTimers } from './real-clock.js';
import { SimulatedClock } from './simulated-clock.js';

describe('simulated clock', () => {
  it('stands still until it is moved', () => {
    const clock = new SimulatedClock(5000);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([5000, 0]);
    clock.advance(12.5);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([5012, 12.5]);
    clock.jumpWall(-3000);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([2012, 12.5]);
  });

  it('runs timers at their times, equal times in the order asked for', () => {
    const clock = new SimulatedClock(0);
    const ran: string[] = [];
    for (const [name, delay] of [
      ['c', 20],
      ['a', 10],
      ['b', 10],
      ['e', 31],
      ['d', 30],
    ] as const) {
      clock.setTimeout(() => ran.push(`${name} ${clock.monotonicMs()}`), delay);
    }
    clock.setTimeout(() => clock.setTimeout(() => ran.push(`nested ${clock.monotonicMs()}`), 5), 10);
    expect(clock.nextTimerMs()).toBe(10);
    clock.advance(30);
    expect(ran).toEqual(['a 10', 'b 10', 'nested 15', 'c 20', 'd 30']);
    expect(clock.pendingCount()).toBe(1);
  });

  it('forgets what is cleared, once or twice, before or after it ran', () => {
    const clock = new SimulatedClock();
    const ran: string[] = [];
    const kept = clock.setTimeout(() => ran.push('kept'), 1);
    const cleared = clock.setTimeout(() => ran.push('cleared'), 1);
    clock.clearTimeout(cleared);
    clock.clearTimeout(cleared);
    const immediate = clock.setImmediate(() => ran.push('immediate'));
    clock.clearImmediate(immediate);
    clock.advance(5);
    clock.clearTimeout(kept);
    expect(ran).toEqual(['kept']);
  });

  it('treats no delay as a millisecond, and runs immediates before time moves', () => {
    const clock = new SimulatedClock();
    const ran: string[] = [];
    const later = clock.setImmediate(() => ran.push('never'));
    clock.setTimeout(() => ran.push(`timer ${clock.monotonicMs()}`), 0);
    clock.setTimeout(() => ran.push(`odd ${clock.monotonicMs()}`), Number.NaN);
    clock.setImmediate(() => clock.setImmediate(() => ran.push(`second ${clock.monotonicMs()}`)));
    clock.clearImmediate(later);
    clock.advance(0);
    expect(ran).toEqual(['second 0']);
    clock.advance(1);
    expect(ran).toEqual(['second 0', 'timer 1', 'odd 1']);
  });

  it('skips an immediate that another of its round clears', () => {
    const clock = new SimulatedClock();
    const ran: string[] = [];
    clock.setImmediate(() => clock.clearImmediate(second));
    const second = clock.setImmediate(() => ran.push('second'));
    clock.advance(0);
    expect(ran).toEqual([]);
  });

  it('lets promises settle between timers', async () => {
    const clock = new SimulatedClock();
    const ran: number[] = [];
    const loop = async (): Promise<void> => {
      for (let round = 0; round < 4; round++) {
        await new Promise<void>((resolve) => clock.setTimeout(resolve, 10));
        ran.push(clock.monotonicMs());
      }
    };
    void loop();
    await clock.advanceAsync(35);
    expect(ran).toEqual([10, 20, 30]);
  });
});

describe('real clock', () => {
  it('goes on, and calls back', async () => {
    const start = realClock.monotonicMs();
    await new Promise<void>((resolve) => realTimers.setTimeout(resolve, 5));
    expect(realClock.monotonicMs() - start).toBeGreaterThan(3);
    expect(Math.abs(realClock.nowMs() - Date.now())).toBeLessThan(1000);
    realTimers.clearTimeout(realTimers.setTimeout(() => expect.fail(), 1));
    realTimers.clearImmediate(realTimers.setImmediate(() => expect.fail()));
    await new Promise<void>((resolve) => realTimers.setImmediate(resolve));
  });
});
