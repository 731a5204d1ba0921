import { describe, expect, test } from 'vitest';
import { SimulatedClock } from '../io/clock/simulated-clock.js';
import { endsWithin } from './stop-deadline.js';

describe('a deadline', () => {
  test('is kept by work that ends before it, and leaves no timer', async () => {
    const clock = new SimulatedClock();
    let end = (): void => undefined;
    const work = new Promise<void>((resolve) => {
      end = resolve;
    });
    const outcome = endsWithin(clock, work, 1000);
    await clock.advanceAsync(999);
    end();
    expect(await outcome).toBe(true);
  });

  test('passes over work that does not end', async () => {
    const clock = new SimulatedClock();
    const outcome = endsWithin(clock, new Promise<void>(() => undefined), 1000);
    await clock.advanceAsync(1000);
    expect(await outcome).toBe(false);
  });

  test('hands on why work failed', async () => {
    await expect(endsWithin(new SimulatedClock(), Promise.reject(new Error('broken')), 1000)).rejects.toThrow('broken');
  });
});
