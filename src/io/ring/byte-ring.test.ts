import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RingConsumer, type RingMemory, RingProducer } from './byte-ring.js';
import { alignFrame, HEAD_WORD, LANE_CONTROL_BYTES, TAIL_WORD } from './layout.js';

const CAPACITY = 4096;

/** An empty ring whose counters start at `counter`. */
function ringAt(counter: number): RingMemory {
  const buffer = new SharedArrayBuffer(LANE_CONTROL_BYTES + CAPACITY);
  const control = new Int32Array(buffer);
  control[TAIL_WORD] = counter;
  control[HEAD_WORD] = counter;
  return { buffer, controlOffset: 0, dataOffset: LANE_CONTROL_BYTES, capacity: CAPACITY };
}

function put(producer: RingProducer, payload: Uint8Array): boolean {
  const position = producer.tryReserve(payload.length);
  if (position < 0) return false;
  producer.bytes.set(payload, position);
  return true;
}

function takeAll(consumer: RingConsumer, limit = Number.MAX_SAFE_INTEGER): Buffer[] {
  const frames: Buffer[] = [];
  consumer.drain((bytes, start, end) => frames.push(Buffer.from(bytes.subarray(start, end))), limit);
  return frames;
}

function pattern(length: number, seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => seed + index * 7));
}

describe('byte ring', () => {
  it('carries frames over the end of the ring from every position', () => {
    for (let counter = 0; counter < CAPACITY; counter += 8) {
      const memory = ringAt(counter);
      const producer = new RingProducer(memory);
      const consumer = new RingConsumer(memory);
      for (const length of [0, 1, 4, 5, 100, producer.maxPayloadBytes]) {
        const payload = pattern(length, counter);
        expect(put(producer, payload)).toBe(true);
        producer.publish();
        const frames = takeAll(consumer);
        expect(frames).toHaveLength(1);
        expect(frames[0]!.equals(payload)).toBe(true);
      }
      expect(producer.usedBytes).toBe(0);
    }
  });

  it('behaves as a queue of frames with a limit, whatever the order of calls, across the wrap of its counters', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ op: fc.constant('put' as const), length: fc.nat(CAPACITY / 4 - 4) }) },
      { weight: 4, arbitrary: fc.record({ op: fc.constant('put' as const), length: fc.nat(40) }) },
      { weight: 3, arbitrary: fc.record({ op: fc.constant('publish' as const) }) },
      { weight: 3, arbitrary: fc.record({ op: fc.constant('take' as const), limit: fc.integer({ min: 1, max: 9 }) }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('undo' as const), length: fc.nat(200) }) },
    );
    const starts = fc.constantFrom(0, 0x7fffff00, -256, -8, 0x7ffffff8, CAPACITY - 8);
    fc.assert(
      fc.property(starts, fc.array(step, { minLength: 20, maxLength: 200 }), (start, steps) => {
        const memory = ringAt(start);
        const producer = new RingProducer(memory);
        const consumer = new RingConsumer(memory);
        const hidden: Buffer[] = [];
        const visible: Buffer[] = [];
        steps.forEach((current, index) => {
          if (current.op === 'put') {
            const payload = pattern(current.length, index);
            if (put(producer, payload)) hidden.push(payload);
            else refusedOnlyWhenFull(producer, current.length);
          } else if (current.op === 'undo') {
            const mark = producer.mark();
            put(producer, pattern(current.length, 99));
            producer.rollback(mark);
          } else if (current.op === 'publish') {
            expect(producer.publish()).toBe(hidden.length > 0);
            visible.push(...hidden.splice(0));
          } else {
            expect(consumer.isEmpty()).toBe(visible.length === 0);
            const frames = takeAll(consumer, current.limit);
            const expected = visible.splice(0, current.limit);
            expect(frames.length).toBe(expected.length);
            frames.forEach((frame, at) => void expect(frame.equals(expected[at]!)).toBe(true));
          }
        });
      }),
      { numRuns: 500 },
    );
  });

  function refusedOnlyWhenFull(producer: RingProducer, length: number): void {
    // A gap at the end is smaller than the frame that causes it.
    expect(producer.usedBytes + 2 * alignFrame(4 + length)).toBeGreaterThan(CAPACITY);
  }

  it('gives room back while it drains, so that the producer need not wait for the end', () => {
    const memory = ringAt(0);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    while (put(producer, pattern(500, 1)));
    producer.publish();
    const usedBytes: number[] = [];
    consumer.drain(() => usedBytes.push(producer.usedBytes), 100);
    expect(usedBytes.at(-1)).toBeLessThan(CAPACITY / 2);
  });

  it('hands a frame over once even if its handler throws', () => {
    const memory = ringAt(0);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    put(producer, pattern(3, 1));
    put(producer, pattern(4, 2));
    producer.publish();
    expect(() => consumer.drain(() => raise('no'), 10)).toThrow('no');
    expect(takeAll(consumer).map((frame) => frame.length)).toEqual([4]);
  });

  it('refuses to go on with a length that no producer writes', () => {
    const memory = ringAt(0);
    const producer = new RingProducer(memory);
    put(producer, pattern(8, 1));
    producer.publish();
    new Int32Array(memory.buffer, LANE_CONTROL_BYTES)[0] = 4000;
    expect(() => takeAll(new RingConsumer(memory))).toThrow('length 4000');
  });

  it('refuses capacities and payloads that it cannot handle', () => {
    expect(() => new RingProducer({ ...ringAt(0), capacity: 4097 })).toThrow('power of two');
    expect(() => new RingProducer(ringAt(0)).tryReserve(CAPACITY / 4)).toThrow('exceeds');
  });

  it('passes the wish for room on once', () => {
    const memory = ringAt(0);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    expect(consumer.takeWanted()).toBe(false);
    producer.askForRoom();
    expect([consumer.takeWanted(), consumer.takeWanted()]).toEqual([true, false]);
  });
});

function raise(message: string): never {
  throw new Error(message);
}
