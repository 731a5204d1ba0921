import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../io/clock/simulated-clock.js';
import { FakeBroker } from './fixtures/fake-broker.js';
import { Harness, type HarnessOptions, utf8 } from './fixtures/harness.js';
import type { WireFrame, WireKind } from './wire-types.js';

type Welcome = WireKind<'welcome'>;

/** Real immediates, simulated timers: the fake broker's turns go by the event loop. */
class TestTimers extends SimulatedClock {
  override setImmediate(callback: () => void): ReturnType<SimulatedClock['setImmediate']> {
    setImmediate(callback);
    return { unref: () => undefined };
  }
}

/** A client that subscribes to `q` with a window, and can come back. */
class Comer {
  readonly broker = new FakeBroker();
  readonly clock = new TestTimers();
  first: Harness;
  id: Uint8Array = new Uint8Array(0);
  private readonly options: HarnessOptions;

  constructor(options: Partial<HarnessOptions> = {}) {
    this.options = { ...options, broker: this.broker, timers: this.clock };
    this.broker.add('q', 'queue');
    this.first = new Harness(this.options);
  }

  async open(messages: number, queue: NonNullable<WireFrame['subscribe']>['queue'] = { credit: 100 }): Promise<void> {
    const [answer] = await this.first.ask({ hello: { version: 1, resumeWindowMs: 30_000 } });
    this.id = answer?.welcome?.sessionId ?? this.id;
    expect(answer?.welcome?.resumeWindowMs).toBe(30_000);
    await this.publish(messages);
    await this.first.ask({ id: 2, subscribe: { subscription: 1, from: 'q', queue: queue ?? {} } });
  }

  async publish(count: number): Promise<void> {
    const messages = Array.from({ length: count }, (_, index) => ({ value: utf8(`${index}`) }));
    await this.first.ask({ id: 1, publish: { to: 'q', messages } });
  }

  /** Comes back over a new connection; `tag`: what arrived last. */
  async back(
    tag: number,
    hello: Partial<NonNullable<WireFrame['hello']>> = {},
  ): Promise<[Harness, Welcome, WireFrame[]]> {
    const { context } = this.first;
    const next = new Harness({ ...this.options, context });
    const received = [{ subscription: 1, tag }];
    const [answer, ...others] = await next.ask({
      hello: { version: 1, resumeWindowMs: 30_000, resumeSession: this.id, received, ...hello },
    });
    return [next, answer?.welcome ?? {}, others];
  }

  get ready(): number[] {
    return this.broker.partition(this.broker.topic('q')!, 0).ready.map(({ offset }) => offset);
  }
}

const tagsOf = (frames: readonly WireFrame[]): (number | null | undefined)[] =>
  frames.flatMap(({ deliver }) => (deliver?.deliveries ?? []).map(({ tag }) => tag));

describe('a session whose client comes back', () => {
  it('keeps what was delivered, takes late acknowledgements, and goes on', async () => {
    const comer = new Comer();
    await comer.open(5);
    comer.first.session.closed(1006);
    expect(comer.ready).toEqual([]);
    comer.clock.advance(29_999);
    const [next, welcome, others] = await comer.back(5);
    expect(welcome).toMatchObject({ resumed: true, subscriptions: [1] });
    expect(Buffer.from(welcome.sessionId ?? [])).toEqual(Buffer.from(comer.id));
    expect(others).toEqual([]);
    const tags = [{ first: 1, last: 5 }];
    expect(await next.ask({ id: 9, settle: { subscription: 1, tags } })).toEqual([{ id: 9, done: {} }]);
    expect(comer.broker.settles).toEqual([{ partition: 0, offsets: [0, 1, 2, 3, 4], outcome: 0 }]);
    const more = await next.ask({ id: 10, publish: { to: 'q', messages: [{ value: utf8('6') }] } });
    expect(tagsOf(more)).toEqual([6]);
    comer.clock.advance(60_000);
    expect(comer.ready).toEqual([]);
  });

  it('gets again what had not arrived, and only that', async () => {
    const comer = new Comer();
    await comer.open(5);
    comer.first.session.closed(1006);
    const [next, , others] = await comer.back(3);
    const deliveries = others.flatMap(({ deliver }) => deliver?.deliveries ?? []);
    expect(deliveries.map(({ tag, offset, redelivered }) => [tag, offset, redelivered])).toEqual([
      [6, 3, true],
      [7, 4, true],
    ]);
    const again = { subscription: 1, tags: [{ first: 1, last: 7 }] };
    expect(await next.ask({ id: 1, settle: again })).toMatchObject([{ error: { code: 2 } }]);
    expect(await next.ask({ id: 2, settle: { ...again, skipSettled: true } })).toEqual([{ id: 2, done: {} }]);
    expect(comer.broker.settles.at(-1)?.offsets).toEqual([0, 1, 2, 3, 4]);
  });

  it('gets frames that were held back as they are: they were never sent', async () => {
    const comer = new Comer({ limits: { backlogMarkBytes: 1 } });
    await comer.open(0);
    comer.first.socket.isReading = false;
    comer.first.socket.backlog = 2 ** 21;
    comer.broker.append(comer.broker.topic('q')!, 0, comer.broker.build([message('a')]));
    await comer.first.turn();
    expect(tagsOf(comer.first.take())).toEqual([]);
    comer.first.session.closed(1006);
    const [, , others] = await comer.back(0);
    const [delivery, ...more] = others.flatMap(({ deliver }) => deliver?.deliveries ?? []);
    expect(more).toEqual([]);
    expect(delivery).toMatchObject({ tag: 1 });
    expect(delivery?.redelivered ?? false).toBe(false);
  });

  it('has everything returned after the window, after a proper end, and without one', async () => {
    const late = new Comer();
    await late.open(3);
    late.first.session.closed(1006);
    late.clock.advance(30_000);
    expect(late.ready).toEqual([0, 1, 2]);
    const [, welcome] = await late.back(3);
    expect(welcome.resumed ?? false).toBe(false);
    const proper = new Comer();
    await proper.open(3);
    proper.first.session.closed(1000);
    expect(proper.ready).toEqual([0, 1, 2]);
    const plain = Harness.open();
    plain.broker.add('q', 'queue');
    plain.session.closed(1006);
    expect(plain.context.resumable.size).toBe(0);
  });

  it('loses subscriptions that it does not name, and those that read by offset', async () => {
    const comer = new Comer();
    await comer.open(3);
    comer.broker.add('t', 'topic');
    await comer.first.ask({ id: 3, subscribe: { subscription: 2, from: 't', topic: { credit: 5 } } });
    comer.first.session.closed(1006);
    expect(comer.broker.follows).toBe(0);
    const [, welcome] = await comer.back(0, { received: [{ subscription: 2, tag: 0 }] });
    expect(welcome).toMatchObject({ resumed: true });
    expect(welcome.subscriptions ?? []).toEqual([]);
    expect(comer.ready).toEqual([0, 1, 2]);
  });

  it('may come before the node has noticed that it was gone', async () => {
    const comer = new Comer();
    await comer.open(3);
    const [next, welcome] = await comer.back(3);
    expect(welcome).toMatchObject({ resumed: true, subscriptions: [1] });
    expect(comer.first.socket.ended?.code).toBe(1000);
    await next.ask({ id: 1, settle: { subscription: 1, upToTag: 3 } });
    expect(comer.broker.settles.at(-1)?.offsets).toEqual([0, 1, 2]);
  });

  it('may come back any number of times', async () => {
    const comer = new Comer();
    await comer.open(500, { credit: 500 });
    for (let round = 0; round < 100; round++) {
      comer.first.session.closed(1006);
      const [next, , others] = await comer.back(500);
      expect(others).toEqual([]);
      comer.first = next;
    }
    await comer.first.ask({ id: 1, settle: { subscription: 1, upToTag: 500 } });
    expect(comer.broker.settles).toHaveLength(1);
    expect(comer.broker.settles[0]?.offsets).toHaveLength(500);
    expect(comer.first.context.counters.subscriptions).toBe(1);
  });

  it('gets the credit back that was used up by what did not arrive, with automatic acknowledgement', async () => {
    const comer = new Comer();
    await comer.open(6, { credit: 4, automaticAck: true });
    comer.first.session.closed(1006);
    const [, , others] = await comer.back(2);
    expect(tagsOf(others)).toEqual([5, 6]);
  });

  it('keeps its exclusive queues', async () => {
    const comer = new Comer();
    await comer.open(0);
    await comer.first.ask({ id: 3, declare: { queue: { name: 'mine', model: { exclusive: true } } } });
    comer.first.session.closed(1006);
    expect(comer.broker.closedConnections).toEqual([]);
    const [next] = await comer.back(0);
    next.session.closed(1000);
    expect(comer.broker.closedConnections).toEqual([comer.broker.declared[0]?.queue?.connection]);
  });

  it('keeps what a get gave; an answer that did not arrive returns', async () => {
    const comer = new Comer();
    await comer.open(2, { credit: 0 });
    const get = { subscription: 4, from: 'q' };
    await comer.first.ask({ id: 3, get });
    comer.first.send({ id: 4, get });
    comer.first.session.closed(1006);
    const [next] = await comer.back(0, { received: [{ subscription: 4, tag: 1 }] });
    await next.turn();
    expect(comer.ready).toEqual([1]);
    await next.ask({ id: 5, settle: { subscription: 4, tags: [{ first: 1, last: 1 }] } });
    expect(comer.broker.settles.at(-1)).toMatchObject({ offsets: [0], outcome: 0 });
  });

  it('is told when its session is on another shard, and not given somebody else’s', async () => {
    const comer = new Comer();
    await comer.open(1);
    comer.first.session.closed(1006);
    const elsewhere = comer.id.slice();
    elsewhere[17] = 1;
    const away = new Harness({ broker: comer.broker, context: comer.first.context });
    away.send({ hello: { version: 1, resumeSession: elsewhere } });
    expect(away.socket.ended?.code).toBe(4004);
    const guess = comer.id.slice();
    guess[0] = 99;
    const [, welcome] = await comer.back(1, { resumeSession: guess });
    expect(welcome.resumed ?? false).toBe(false);
  });
});

describe('sessions that wait for their clients', () => {
  it('are bounded in number: the oldest is given up', async () => {
    const comer = new Comer();
    await comer.open(2);
    const { context } = comer.first;
    comer.first.session.closed(1006);
    for (let count = 0; count < 10_000; count++) {
      const other = new Harness({ broker: comer.broker, context });
      // Ids of the fake repeat after 256 sessions; each must be one of its own here.
      Object.defineProperty(other.session, 'id', { value: Uint8Array.of(...numberBytes(count)) });
      other.send({ hello: { version: 1, resumeWindowMs: 30_000 } });
      expect(context.resumable.size).toBe(Math.min(count + 1, 10_000));
      other.session.closed(1006);
    }
    expect(context.resumable.size).toBe(10_000);
    expect(comer.ready).toEqual([0, 1]);
  });
});

function message(value: string) {
  return { key: null, value: utf8(value), headers: [], timestampMs: 0 };
}

function numberBytes(number: number): number[] {
  return [1, 2, 3, 4, number >>> 8, number & 0xff];
}
