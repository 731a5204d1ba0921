import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SimulatedClock } from '../../io/clock/simulated-clock.js';
import { type DueTarget, DueTimes } from './due-times.js';
import { TIMER_MAX_MS } from './limits.js';

class Target implements DueTarget {
  dueAtMs = Number.POSITIVE_INFINITY;
  readonly calls: number[] = [];
  private readonly clock: SimulatedClock;

  constructor(clock: SimulatedClock) {
    this.clock = clock;
  }

  due(): void {
    this.calls.push(this.clock.monotonicMs());
  }
}

it('calls each target at the earliest time that it asked for since the last call, and no cancelled one', () => {
  const step = fc.record({
    target: fc.nat(3),
    delayMs: fc.integer({ min: 1, max: 50 }),
    passMs: fc.nat(20),
    cancel: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const clock = new SimulatedClock();
      const startMs = clock.nowMs();
      const due = new DueTimes(clock, clock);
      const targets = Array.from({ length: 4 }, () => new Target(clock));
      const expected: number[][] = targets.map(() => []);
      const waits: (number | undefined)[] = [];
      const pass = (toMs: number): void => {
        for (const [index, atMs] of waits.entries()) {
          if (atMs === undefined || atMs > toMs) continue;
          expected[index]!.push(atMs);
          waits[index] = undefined;
        }
      };
      for (const { target, delayMs, passMs, cancel } of steps) {
        const atMs = clock.monotonicMs() + delayMs;
        if (cancel === 0) {
          due.cancel(targets[target]!);
          waits[target] = undefined;
        } else {
          due.at(startMs + atMs, targets[target]!);
          waits[target] = Math.min(waits[target] ?? atMs, atMs);
        }
        clock.advance(passMs);
        pass(clock.monotonicMs());
      }
      clock.advance(100);
      pass(clock.monotonicMs());
      expect(targets.map(({ calls }) => calls)).toEqual(expected);
      expect(due.size).toBe(0);
    }),
  );
});

it('waits for times beyond what a timer can', () => {
  const clock = new SimulatedClock();
  const due = new DueTimes(clock, clock);
  const target = new Target(clock);
  due.at(clock.nowMs() + 2 * TIMER_MAX_MS + 10, target);
  clock.advance(2 * TIMER_MAX_MS + 9);
  expect(target.calls).toEqual([]);
  clock.advance(1);
  expect(target.calls).toHaveLength(1);
});
