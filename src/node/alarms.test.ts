import { describe, expect, test } from 'vitest';
import { SimulatedClock } from '../io/clock/simulated-clock.js';
import { AlarmWatch } from './alarms.js';

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}

describe('alarm watch', () => {
  test('tells when a limit is passed and when it is not any more, and nothing in between', async () => {
    const clock = new SimulatedClock();
    const seen: string[] = [];
    let resident = 50;
    let free = 1000;
    const sources = { residentBytes: () => resident, freeDiskBytes: () => Promise.resolve(free) };
    const watch = new AlarmWatch(sources, clock, { memoryLimit: 100, diskFreeLimit: 500 }, (active) => {
      seen.push(active.join('+'));
    });
    await watch.start();
    const later = async (): Promise<void> => {
      clock.advance(1000);
      await settle();
    };
    await later();
    expect(seen).toEqual([]);
    resident = 101;
    await later();
    await later();
    expect(watch.alarms).toEqual(['memory']);
    free = 499;
    await later();
    resident = 100;
    await later();
    free = 500;
    await later();
    expect(seen).toEqual(['memory', 'memory+disk', 'disk', '']);
    watch.stop();
    free = 0;
    await later();
    expect(seen.length).toBe(4);
  });
});
