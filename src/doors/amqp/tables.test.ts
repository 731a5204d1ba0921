import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../base/bytes.js';
import { Confirms } from './confirms.js';
import { CreditSlice, nextPrefetch } from './credit.js';
import { DeliveryTable } from './delivery-table.js';
import { Arguments, framesOf } from './fixtures/client-frames.js';
import { ShortStrings } from './short-strings.js';

const RUNS = { numRuns: 500 };

describe('DeliveryTable', () => {
  it('does what a map does', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const), skip: fc.integer({ min: 1, max: 3 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('take' as const), at: fc.nat(60) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('up-to' as const), at: fc.nat(60) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('restore' as const), at: fc.nat(60) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const table = new DeliveryTable();
        const model = new Map<number, string>();
        let next = 1;
        for (const action of steps) {
          const seen: [number, string][] = [];
          const visit = (source: number, partition: number, offset: number, tag: number) =>
            void seen.push([tag, `${source}/${partition}/${offset}`]);
          if (action.kind === 'add') {
            next += action.skip;
            table.add(next, next % 5, next % 3, next * 7);
            model.set(next, `${next % 5}/${next % 3}/${next * 7}`);
            continue;
          }
          const wanted =
            action.kind === 'take'
              ? [...model].filter(([tag]) => tag === action.at)
              : [...model].filter(([tag]) => tag <= action.at);
          if (action.kind === 'take') expect(table.take(action.at, visit)).toBe(wanted.length === 1);
          else table.takeUpTo(action.at, visit);
          expect(seen).toEqual(wanted);
          if (action.kind === 'restore') {
            table.restore(
              seen.reverse().map(([tag]) => ({ tag, source: tag % 5, partition: tag % 3, offset: tag * 7 })),
            );
          } else {
            for (const [tag] of wanted) model.delete(tag);
          }
          expect(table.size).toBe(model.size);
          expect(table.has(action.at)).toBe(model.has(action.at));
        }
        const left: number[] = [];
        table.takeAll((_source, _partition, _offset, tag) => void left.push(tag));
        expect(left).toEqual([...model.keys()]);
      }),
      RUNS,
    );
  });

  it('costs what is unsettled, although the oldest stays', () => {
    const table = new DeliveryTable();
    for (let tag = 1; tag <= 10_000; tag++) {
      table.add(tag, 0, 0, tag);
      if (tag > 1) table.take(tag, () => {});
    }
    expect(table.size).toBe(1);
    expect(table.capacity).toBe(16);
  });
});

describe('Confirms', () => {
  it('tells every publish once, with what became of it', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), outcomes: fc.nat(3) }),
      fc.record({ kind: fc.constant('settle' as const), pick: fc.nat(1000), isGood: fc.boolean() }),
      fc.record({ kind: fc.constant('write' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const confirms = new Confirms();
        const open: { sequence: number; left: number }[] = [];
        const expected = new Map<number, boolean>();
        const client = new Client();
        const write = (): void => {
          const writer = new ByteWriter();
          const counts = { acks: 0, nacks: 0 };
          confirms.write(writer, 1, counts);
          const told = client.read(writer.view());
          expect([counts.acks, counts.nacks]).toEqual(told);
        };
        const settle = (item: { sequence: number; left: number }, isGood: boolean): void => {
          confirms.settle(item.sequence, isGood);
          if (!isGood) expected.set(item.sequence, false);
          if (--item.left === 0) open.splice(open.indexOf(item), 1);
        };
        for (const action of steps) {
          if (action.kind === 'add') {
            const sequence = confirms.add(action.outcomes);
            client.publish();
            expected.set(sequence, true);
            if (action.outcomes > 0) open.push({ sequence, left: action.outcomes });
          } else if (action.kind === 'settle' && open.length > 0) {
            settle(open[action.pick % open.length]!, action.isGood);
          } else if (action.kind === 'write') {
            write();
          }
        }
        while (open.length > 0) settle(open[0]!, true);
        write();
        expect(client.outcomes).toEqual(expected);
        expect(confirms.waiting).toBe(0);
      }),
      RUNS,
    );
  });
});

/** A publisher as client libraries are: `multiple` names all that it has not heard of. Throws when one is told twice. */
class Client {
  readonly outcomes = new Map<number, boolean>();
  private readonly outstanding = new Set<number>();
  private next = 1;

  publish(): void {
    this.outstanding.add(this.next++);
  }

  read(bytes: Uint8Array): [number, number] {
    const told: [number, number] = [0, 0];
    for (const frame of framesOf(bytes)) {
      const read = new Arguments(frame);
      const isAck = frame.method === 0x3c_0050;
      const tag = read.u64();
      const multiple = read.u8() === 1;
      if (!this.outstanding.has(tag)) throw new Error(`Publish ${tag} was told twice`);
      const named = multiple ? [...this.outstanding].filter((sequence) => sequence <= tag) : [tag];
      for (const sequence of named) {
        this.outstanding.delete(sequence);
        this.outcomes.set(sequence, isAck);
        told[isAck ? 0 : 1]++;
      }
    }
    const sorted = [...this.outcomes].sort(([left], [right]) => left - right);
    this.outcomes.clear();
    for (const [sequence, isAck] of sorted) this.outcomes.set(sequence, isAck);
    return told;
  }
}

describe('credit', () => {
  it('never grants more than the limit, and always something when all is settled', () => {
    const any = fc.record({
      granted: fc.nat(300),
      unsettled: fc.nat(300),
      limit: fc.nat(100),
      slice: fc.integer({ min: 1, max: 64 }),
    });
    fc.assert(
      fc.property(any, ({ granted, unsettled, limit, slice }) => {
        const next = nextPrefetch(granted, unsettled, limit, slice);
        const after = next < 0 ? granted : next;
        if (limit > 0) expect(after).toBeLessThanOrEqual(limit);
        if (limit === 0 || unsettled < limit) expect(after).toBeGreaterThan(unsettled);
        if (limit === 0) expect(after - unsettled).toBeLessThanOrEqual(slice * 2);
      }),
      RUNS,
    );
  });

  it('grows with small messages, and shrinks with large ones', () => {
    const slice = new CreditSlice();
    for (let count = 0; count < 10_000; count++) {
      slice.count(12);
      slice.adapt();
    }
    expect(slice.size).toBe(2048);
    for (let count = 0; count < 10_000; count++) {
      slice.count(1_000_000);
      slice.adapt();
    }
    expect(slice.size).toBe(1);
  });
});

describe('ShortStrings', () => {
  it('gives what was written, whatever was there before', () => {
    const strings = new ShortStrings();
    const text = fc.string({ unit: 'grapheme', maxLength: 40 });
    fc.assert(
      fc.property(text, fc.nat(5), (value, pad) => {
        const bytes = new TextEncoder().encode('x'.repeat(pad) + value);
        const read = strings.read(bytes, pad, bytes.length);
        bytes.fill(0);
        expect(read).toBe(value);
        const again = new TextEncoder().encode(value);
        expect(strings.read(again, 0, again.length)).toBe(value);
      }),
      { numRuns: 3000 },
    );
  });
});
