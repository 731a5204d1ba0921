import { describe, expect, test } from 'vitest';
import { SimulatedClock } from './clock/simulated-clock.js';
import { type Allocator, glibcAllocator, MemoryTrimmer } from './memory-trim.js';

const MIB = 1024 * 1024;

describe('memory trimmer', () => {
  test('trims what is worth it, again and again, and never two at a time', () => {
    const clock = new SimulatedClock();
    let freed = 31 * MIB;
    const running: (() => void)[] = [];
    const allocator: Allocator = { freedBytes: () => freed, trim: (done) => running.push(done) };
    const trimmer = new MemoryTrimmer(allocator, clock);
    trimmer.start();
    clock.advance(10_000);
    expect(running.length).toBe(0);
    freed = 40 * MIB;
    clock.advance(5_000);
    expect(running.length).toBe(1);
    clock.advance(20_000);
    expect(running.length).toBe(1);
    running[0]!();
    clock.advance(5_000);
    expect(running.length).toBe(2);
    trimmer.stop();
    running[1]!();
    clock.advance(20_000);
    expect(running.length).toBe(2);
  });

  test('the allocator of this process tells what it keeps, and can be trimmed', async () => {
    const allocator = glibcAllocator();
    const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
    if (report?.header?.glibcVersionRuntime === undefined) {
      expect(allocator).toBeUndefined();
      return;
    }
    expect(allocator?.freedBytes()).toBeGreaterThan(0);
    await new Promise<void>((resolve) => allocator?.trim(resolve));
    expect(allocator?.freedBytes()).toBeGreaterThan(0);
  });
});
