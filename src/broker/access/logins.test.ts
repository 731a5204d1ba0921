import { describe, expect, test } from 'vitest';
import { SimulatedClock } from '../../io/clock/simulated-clock.js';
import * as limits from './limits.js';
import { LoginCache, LoginQueue } from './logins.js';

/** Checks that end when the test says so. */
class World {
  readonly clock = new SimulatedClock();
  readonly queue = new LoginQueue(this.clock, this.clock);
  readonly started: string[] = [];
  readonly done: [string, boolean | 'busy', number][] = [];
  private finishNext: ((isRight: boolean) => void) | undefined;

  /** `name` tells checks apart. */
  ask(address: string, name = address): void {
    const check = (): Promise<boolean> => {
      this.started.push(name);
      return new Promise((resolve) => {
        this.finishNext = resolve;
      });
    };
    void this.queue.run(address, check).then((found) => this.done.push([name, found, this.clock.monotonicMs()]));
  }

  async settle(): Promise<void> {
    for (let count = 0; count < 20; count++) await Promise.resolve();
  }

  async finish(isRight: boolean): Promise<void> {
    await this.settle();
    const { finishNext } = this;
    this.finishNext = undefined;
    finishNext?.(isRight);
    await this.settle();
  }

  /** One wrong login; returns how long it was withheld. */
  async fail(address: string): Promise<number> {
    const from = this.clock.monotonicMs();
    const before = this.done.length;
    this.ask(address);
    await this.finish(false);
    for (let waited = 0; this.done.length === before && waited < 100_000; waited += 100) {
      this.clock.advance(100);
      await this.settle();
    }
    return this.done.at(-1)![2] - from;
  }
}

describe('checks', () => {
  test('run one at a time, and addresses take turns', async () => {
    const world = new World();
    for (const name of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2']) world.ask(name[0]!, name);
    for (let count = 0; count < 6; count++) await world.finish(true);
    expect(world.started).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2']);
  });

  test('of one address are bounded, those of others are not in the way', async () => {
    const world = new World();
    for (let count = 0; count < limits.LOGINS_WAITING_PER_ADDRESS_MAX + 10; count++) world.ask('a', `a${count}`);
    await world.settle();
    // One is under way, the others wait.
    expect(world.done.filter(([, found]) => found === 'busy').length).toBe(9);
    world.ask('b');
    await world.finish(true);
    await world.finish(true);
    expect(world.started).toEqual(['a0', 'a1', 'b']);
  });

  test('of all addresses are bounded, too', async () => {
    const world = new World();
    for (let count = 0; count < limits.LOGINS_WAITING_MAX + 50; count++) world.ask(`10.0.${count >> 8}.${count & 255}`);
    await world.settle();
    expect(world.queue.length).toBe(limits.LOGINS_WAITING_MAX);
    expect(world.done.filter(([, found]) => found === 'busy').length).toBe(49);
  });
});

describe('failures', () => {
  test('cost more and more time, up to a bound, and are forgotten after a while', async () => {
    const world = new World();
    const waits: number[] = [];
    for (let count = 0; count < 12; count++) waits.push(await world.fail('a'));
    expect(waits).toEqual([0, 0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    world.clock.advance(limits.FAILURES_FORGOTTEN_MS + 1);
    expect(await world.fail('a')).toBe(0);
  });

  test('slow nobody else', async () => {
    const world = new World();
    for (let count = 0; count < 8; count++) await world.fail('2001:db8::1');
    expect(await world.fail('10.0.0.1')).toBe(0);
    expect(await world.fail('2001:db8:0:1::1')).toBe(0);
    // The same /64 is the same user.
    expect(await world.fail('2001:db8:0:0:9:9:9:9')).toBeGreaterThan(1_000);
  });

  test('withhold what is right as well, or the delay would tell', async () => {
    const world = new World();
    for (let count = 0; count < 6; count++) await world.fail('a');
    world.ask('a', 'right');
    await world.finish(true);
    expect(world.done.some(([name]) => name === 'right')).toBe(false);
    world.clock.advance(400);
    await world.settle();
    expect(world.done.at(-1)?.slice(0, 2)).toEqual(['right', true]);
  });

  test('of many addresses take bounded memory', async () => {
    const world = new World();
    for (let count = 0; count < limits.ADDRESSES_KEPT + 100; count++) {
      world.ask(`10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`);
      await world.finish(false);
    }
    expect(world.queue.addressCount).toBe(limits.ADDRESSES_KEPT);
  });
});

test('what succeeded is remembered for a while, and not without bound', () => {
  const clock = new SimulatedClock();
  const cache = new LoginCache(clock);
  cache.add('x');
  clock.advance(limits.LOGIN_CACHE_MS - 1);
  expect(cache.has('x')).toBe(true);
  clock.advance(1);
  expect(cache.has('x')).toBe(false);
  for (let count = 0; count <= limits.LOGIN_CACHE_ENTRIES; count++) cache.add(String(count));
  expect([cache.has('0'), cache.has('1')]).toEqual([false, true]);
});
