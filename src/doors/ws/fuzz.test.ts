import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { ByteReader, ByteWriter } from '../../base/bytes.js';
import { duolog } from '../../proto/client.js';
import { request } from './fixtures/arbitraries.js';
import { FakeBroker } from './fixtures/fake-broker.js';
import { Harness } from './fixtures/harness.js';
import { decodePublish, NameMemory } from './hot-frames.js';
import { sessionLimits } from './limits.js';

const { Frame } = duolog.client.v1;
const allowed = new Set([1002, 1007, 1008, 1009, 1013, 4001]);

function newHarness(form: 'binary' | 'text' = 'binary'): Harness {
  const broker = new FakeBroker();
  broker.add('t', 'topic', 2);
  broker.add('q', 'queue', 2);
  return Harness.open({ broker }, form);
}

/** Sends what may be anything; the session must live on or close with a documented code. */
function feed(harness: Harness, bytes: Uint8Array, isText: boolean): void {
  harness.session.receive(bytes, isText);
  const { ended } = harness.socket;
  if (ended !== undefined) expect(allowed).toContain(ended.code);
}

const mutations = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });

function mutate(bytes: Uint8Array, changes: readonly (readonly [number, number])[], cut: number): Uint8Array {
  const mutated = new Uint8Array(bytes);
  for (const [at, value] of changes) if (mutated.length > 0) mutated[at % mutated.length] = value;
  return mutated.subarray(0, cut % 4 === 0 ? cut % (mutated.length + 1) : mutated.length);
}

describe('whatever a peer sends', () => {
  it('conversations of sensible requests are answered, never thrown at', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { maxLength: 40 }),
        fc.constantFrom('binary', 'text'),
        async (frames, form) => {
          const harness = newHarness(form as 'binary' | 'text');
          for (const [index, frame] of frames.entries()) {
            if (form === 'text') harness.say(Frame.toObject(Frame.fromObject(frame), { bytes: String, longs: String }));
            else harness.send(frame);
            if (index % 5 === 0) await harness.turn();
          }
          await harness.turn();
          harness.take();
          expect(harness.socket.ended).toBeUndefined();
          harness.session.closed();
          expect(harness.broker.follows).toBe(0);
          expect(harness.context.hub.size).toBe(0);
          expect(harness.context.counters.subscriptions).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);

  it('mutated frames close the session at most', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(request, mutations, fc.nat()), { maxLength: 12 }), async (frames) => {
        const harness = newHarness();
        for (const [frame, changes, cut] of frames) {
          feed(harness, mutate(Frame.encode(frame).finish(), changes, cut), false);
        }
        await harness.turn();
        harness.take();
      }),
      { numRuns: 1500 },
    );
  }, 60_000);

  it('mutated JSON closes the session at most', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(request, mutations, fc.nat()), { maxLength: 6 }), async (frames) => {
        const harness = newHarness('text');
        for (const [frame, changes, cut] of frames) {
          const text = JSON.stringify(Frame.toObject(Frame.fromObject(frame), { bytes: String }));
          feed(harness, mutate(new TextEncoder().encode(text), changes, cut), true);
        }
        await harness.turn();
        harness.take();
      }),
      { numRuns: 500 },
    );
  }, 60_000);

  it('random bytes close the session at most', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, isText) => {
        feed(newHarness(), bytes, isText);
      }),
      { numRuns: 3000 },
    );
  }, 60_000);

  it('a 16 MiB frame of empty messages, or of empty headers, is refused without building them', () => {
    for (const inner of [Uint8Array.of(0x1a, 0x00), Uint8Array.of(0x1a, 0x04, 0x1a, 0x00, 0x1a, 0x00)]) {
      const harness = newHarness();
      const writer = new ByteWriter();
      const count = Math.floor((16 * 1024 * 1024) / inner.length) - 10;
      writer.raw(Uint8Array.of(0x08, 0x01, 0x1a));
      writer.uvarint(count * inner.length + 3);
      writer.raw(Uint8Array.of(0x0a, 0x01, 0x74));
      for (let index = 0; index < count; index++) writer.raw(inner);
      const before = process.memoryUsage().heapUsed;
      harness.session.receive(writer.view(), false);
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(16 * 1024 * 1024);
      expect(harness.socket.ended).toBeUndefined();
    }
  });

  it('a field that comes again and again is made into a string or a view once', () => {
    const reader = new ByteReader(new Uint8Array(0));
    const decode = vi.spyOn(ByteReader.prototype, 'utf8Strict');
    const view = vi.spyOn(ByteReader.prototype, 'view');
    const names = Uint8Array.of(0x0a, 1, 0x74, 0x0a, 1, 0x75);
    const headers = Uint8Array.of(0x1a, 17, ...names, 0x12, 1, 1, ...names, 0x12, 0);
    const message = Uint8Array.of(0x1a, 29, 0x0a, 1, 1, 0x0a, 0, 0x12, 1, 1, 0x12, 0, ...headers);
    const publish = Uint8Array.of(...names, 0x22, 1, 1, ...names, 0x22, 0, ...message);
    const command = decodePublish(reader.reset(publish), publish.length, new NameMemory(), {
      ...sessionLimits({ maxMessageBytes: 1000 }),
      vhost: '/',
    });
    expect(command).toMatchObject({ to: 'u', batch: undefined });
    expect(command.messages).toMatchObject([{ key: new Uint8Array(0), value: new Uint8Array(0) }]);
    expect(command.messages[0]?.headers).toEqual([['u', new Uint8Array(0)]]);
    expect(reader.at).toBe(publish.length);
    expect(decode).toHaveBeenCalledTimes(2);
    expect(view).toHaveBeenCalledTimes(4);
    vi.restoreAllMocks();
  });

  it('every prefix of a good frame is refused or answered', () => {
    const frame = Frame.encode({
      id: 300,
      publish: {
        to: 't',
        partition: 1,
        messages: [
          { key: new Uint8Array(3), value: new Uint8Array(200), headers: [{ name: 'n', value: new Uint8Array(2) }] },
        ],
        producer: { producerId: 2 ** 40, epoch: 3, sequence: 70_000 },
      },
    }).finish();
    for (let end = 0; end < frame.length; end++) {
      const harness = newHarness();
      feed(harness, new Uint8Array(frame.subarray(0, end)), false);
      expect(harness.broker.publishOrder).toEqual([]);
    }
  });
});
