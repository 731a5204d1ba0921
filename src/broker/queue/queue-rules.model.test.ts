import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConsumerHandle, SettleOutcome, type TopicEntry } from '../ports.js';
import { QueueWorld, type Taker } from './fixtures.js';

/** A queue as one would write it on a napkin: a list of what waits, in the order in which it goes. */
interface Letter {
  readonly id: number;
  readonly priority: number;
  readonly expiresMs: number;
  readonly size: number;
  returns: number;
}

interface Rules {
  readonly ttlMs: number;
  readonly maxLength: number;
  readonly maxBytes: number;
  readonly maxPriority: number;
  readonly limit: number;
  readonly refuses: boolean;
}

class Napkin {
  waiting: Letter[] = [];
  readonly held: Letter[] = [];
  readonly dead: string[] = [];
  readonly refused: number[] = [];
  nowMs = 0;
  private readonly rules: Rules;

  constructor(rules: Rules) {
    this.rules = rules;
  }

  publish(id: number, priority: number, expirationMs: number, size: number): void {
    const { rules } = this;
    const times = [rules.ttlMs, expirationMs].filter((ms) => ms >= 0);
    const expiresMs = times.length === 0 ? Number.POSITIVE_INFINITY : this.nowMs + Math.min(...times);
    const letter = { id, priority: Math.min(priority, rules.maxPriority), expiresMs, size, returns: 0 };
    if (rules.refuses && this.isOver([...this.waiting, letter])) {
      this.refused.push(id);
      return;
    }
    this.put(letter);
    this.tidy();
  }

  take(): Letter | undefined {
    const letter = this.waiting.shift();
    if (letter !== undefined) this.held.push(letter);
    this.tidy();
    return letter;
  }

  settle(index: number, outcome: SettleOutcome): number {
    const [letter] = this.held.splice(index % this.held.length, 1);
    if (letter === undefined) throw new Error('Nothing is held');
    if (outcome === SettleOutcome.discard) this.die(letter, 'rejected');
    if (outcome === SettleOutcome.requeue) {
      letter.returns++;
      if (this.rules.limit >= 0 && letter.returns > this.rules.limit) this.die(letter, 'delivery_limit');
      else this.put(letter);
    }
    this.tidy();
    return letter.id;
  }

  pass(ms: number): void {
    for (let step = 0; step < ms; step++) {
      this.nowMs++;
      this.tidy();
    }
  }

  private put(letter: Letter): void {
    this.waiting.push(letter);
    this.waiting.sort((a, b) => b.priority - a.priority || a.id - b.id);
  }

  private tidy(): void {
    while (!this.rules.refuses && this.isOver(this.waiting)) {
      const head = this.waiting.shift()!;
      this.die(head, head.expiresMs <= this.nowMs ? 'expired' : 'maxlen');
    }
    for (let priority = 0; priority <= this.rules.maxPriority; priority++) this.expire(priority);
  }

  private expire(priority: number): void {
    for (;;) {
      const head = this.waiting.find((letter) => letter.priority === priority);
      if (head === undefined || head.expiresMs > this.nowMs) return;
      this.waiting.splice(this.waiting.indexOf(head), 1);
      this.die(head, 'expired');
    }
  }

  private isOver(letters: readonly Letter[]): boolean {
    const { maxLength, maxBytes } = this.rules;
    const bytes = letters.reduce((sum, { size }) => sum + size, 0);
    return (maxLength >= 0 && letters.length > maxLength) || (maxBytes >= 0 && bytes > maxBytes);
  }

  private die(letter: Letter, reason: string): void {
    this.dead.push(`${letter.id} ${reason}`);
  }
}

type Step =
  | { readonly kind: 'publish'; readonly priority: number; readonly expirationMs: number; readonly size: number }
  | { readonly kind: 'take' }
  | { readonly kind: 'settle'; readonly index: number; readonly outcome: SettleOutcome }
  | { readonly kind: 'pass'; readonly ms: number };

const rulesOf = fc.record({
  ttlMs: fc.constantFrom(-1, -1, 60, 200),
  maxLength: fc.constantFrom(-1, -1, 2, 4),
  maxBytes: fc.constantFrom(-1, -1, 25),
  maxPriority: fc.constantFrom(0, 0, 3),
  limit: fc.constantFrom(-1, 1),
  refuses: fc.boolean(),
});

const stepOf: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      priority: fc.nat(5),
      expirationMs: fc.constantFrom(-1, -1, 20, 90),
      size: fc.integer({ min: 6, max: 12 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'take' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      index: fc.nat(5),
      outcome: fc.constantFrom(SettleOutcome.acknowledge, SettleOutcome.requeue, SettleOutcome.discard),
    }),
  },
  // Looks at the head may be late by less than that.
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 15, max: 120 }) }) },
);

/** What the node says beside what the napkin says. */
class Pair {
  readonly world: QueueWorld;
  readonly queue: TopicEntry;
  readonly dead: Taker;
  readonly napkin: Napkin;
  private readonly offsets = new Map<number, number>();
  private next = 0;

  private constructor(world: QueueWorld, queue: TopicEntry, dead: Taker, napkin: Napkin) {
    this.world = world;
    this.queue = queue;
    this.dead = dead;
    this.napkin = napkin;
  }

  static async open(rules: Rules): Promise<Pair> {
    const world = await QueueWorld.start();
    const dead = await world.consume(await world.declare('dead'), { automaticAck: true, credit: 10_000 });
    const queue = await world.declare('q', {
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'dead',
      'x-overflow': rules.refuses ? 'reject-publish' : 'drop-head',
      ...(rules.ttlMs >= 0 ? { 'x-message-ttl': rules.ttlMs } : {}),
      ...(rules.maxLength >= 0 ? { 'x-max-length': rules.maxLength } : {}),
      ...(rules.maxBytes >= 0 ? { 'x-max-length-bytes': rules.maxBytes } : {}),
      ...(rules.maxPriority > 0 ? { 'x-max-priority': rules.maxPriority } : {}),
      ...(rules.limit >= 0 ? { 'x-delivery-limit': rules.limit } : {}),
    });
    return new Pair(world, queue, dead, new Napkin(rules));
  }

  async step(step: Step): Promise<void> {
    if (step.kind === 'publish') await this.publish(step.priority, step.expirationMs, step.size);
    else if (step.kind === 'take') await this.take();
    else if (step.kind === 'settle') await this.settle(step.index, step.outcome);
    else {
      this.napkin.pass(step.ms);
      await this.world.wait(step.ms);
    }
    // Time to look at heads, and for dead letters to arrive.
    this.napkin.pass(12);
    await this.world.wait(12);
    this.compare();
  }

  private async publish(priority: number, expirationMs: number, size: number): Promise<void> {
    const id = this.next++;
    this.napkin.publish(id, priority, expirationMs, size);
    const expiration = expirationMs < 0 ? {} : { expiration: `${expirationMs}` };
    await this.world.publish(this.queue, `${id}`.padStart(size, ' '), { priority, ...expiration });
  }

  private async take(): Promise<void> {
    const expected = this.napkin.take();
    const got = await this.world.get(this.queue, false);
    expect(got === undefined ? undefined : Number(got.body)).toBe(expected?.id);
    if (expected === undefined || got === undefined) return;
    expect(got.deliveryCount).toBe(expected.returns);
    this.offsets.set(expected.id, got.offset);
  }

  private async settle(index: number, outcome: SettleOutcome): Promise<void> {
    if (this.napkin.held.length === 0) return;
    const offset = this.offsets.get(this.napkin.settle(index, outcome))!;
    const handle: Pick<ConsumerHandle, 'settle'> = this.world.poll(this.queue).handle;
    handle.settle(0, [offset], outcome);
    await this.world.world.rest();
  }

  private compare(): void {
    const { napkin, world, queue } = this;
    expect(world.ready(queue)).toBe(napkin.waiting.length);
    expect(world.unacknowledged(queue)).toBe(napkin.held.length);
    expect(world.failures).toHaveLength(napkin.refused.length);
    expect(this.dead.bodies.map(Number).sort(ascending)).toEqual(napkin.dead.map(Number.parseFloat).sort(ascending));
    const { deadLettered } = world.engine(queue).counters;
    for (const reason of ['rejected', 'expired', 'maxlen', 'delivery_limit'] as const) {
      expect(deadLettered[reason]).toBe(napkin.dead.filter((letter) => letter.endsWith(reason)).length);
    }
  }
}

const ascending = (a: number, b: number): number => a - b;

describe('the rules of a queue, beside a napkin', () => {
  it('say the same of what waits, what is delivered next and what is dead, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(rulesOf, fc.array(stepOf, { minLength: 1, maxLength: 40 }), async (rules, steps) => {
        const pair = await Pair.open(rules);
        for (const step of steps) await pair.step(step);
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
