import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StorageError } from './errors.js';
import { ProducerState } from './producer-state.js';

const WRAP = 2 ** 31;

interface ModelBatch {
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
  readonly offset: number;
}

/** The whole history of one producer, looked through from the end. */
class Model {
  readonly batches: ModelBatch[] = [];

  outcome(epoch: number, first: number, last: number): string {
    const latest = this.batches.at(-1);
    if (latest === undefined) return 'append';
    if (epoch < latest.epoch) return 'producer-fenced';
    if (epoch > latest.epoch) return first === 0 ? 'append' : 'out-of-order-sequence';
    const inEpoch = this.batches.filter((batch) => batch.epoch === epoch).slice(-5);
    const same = inEpoch.findLast((batch) => batch.first === first && batch.last === last);
    if (same !== undefined) return `duplicate of ${same.offset}`;
    return first === (latest.last + 1) % WRAP ? 'append' : 'out-of-order-sequence';
  }
}

const step = fc.record({
  producer: fc.integer({ min: 1, max: 2 }),
  epochDelta: fc.constantFrom(0, 0, 0, 0, 0, 1, -1),
  kind: fc.constantFrom('next', 'next', 'next', 'resend', 'gap', 'zero'),
  back: fc.integer({ min: 1, max: 7 }),
  count: fc.integer({ min: 1, max: 4 }),
  ends: fc.constantFrom('commit', 'none', 'none', 'rollback'),
});

describe('ProducerState', () => {
  it('agrees with a model that remembers everything, over wraps, epochs, resends and turns taken back', () => {
    fc.assert(
      fc.property(fc.constantFrom(0, 100, WRAP - 6), fc.array(step, { maxLength: 60 }), (start, steps) => {
        const state = new ProducerState();
        const models = [new Model(), new Model(), new Model()];
        const turn: Model[] = [];
        let offset = 0;
        for (const { producer, epochDelta, kind, back, count, ends } of steps) {
          const model = models[producer]!;
          const latest = model.batches.at(-1);
          const epoch = Math.max(0, (latest?.epoch ?? 1) + epochDelta);
          const resent = model.batches.at(-back);
          let first = latest === undefined ? start : (latest.last + 1) % WRAP;
          if (kind === 'zero' || (epochDelta === 1 && kind === 'next')) first = 0;
          if (kind === 'gap') first = (first + 3) % WRAP;
          let last = (first + count - 1) % WRAP;
          if (kind === 'resend' && resent !== undefined) ({ first, last } = resent);
          const expected = model.outcome(epoch, first, last);
          expect(outcomeOf(state, producer, epoch, first, last)).toBe(expected);
          if (expected === 'append') {
            state.append(producer, epoch, first, last, offset, 0);
            model.batches.push({ epoch, first, last, offset });
            turn.push(model);
            offset += count;
          }
          if (ends === 'commit') state.commitTurn();
          if (ends === 'rollback') {
            state.rollbackTurn();
            for (const taken of turn) taken.batches.pop();
          }
          if (ends !== 'none') turn.length = 0;
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('forgets silent producers, who may then begin anywhere', () => {
    const state = new ProducerState();
    state.append(1, 0, 0, 4, 0, 1000);
    state.append(2, 0, 0, 4, 5, 2000);
    state.commitTurn();
    state.expire(1500);
    expect(state.size).toBe(1);
    expect(state.check(1, 0, 77, 77)).toBe(-1);
    expect(() => state.check(2, 0, 77, 77)).toThrow(StorageError);
  });

  it('lets a marker raise the epoch, after which sequences start over', () => {
    const state = new ProducerState();
    state.append(1, 0, 0, 4, 0, 0);
    state.append(1, 1, -1, -1, 5, 0);
    expect(state.check(1, 1, 0, 2)).toBe(-1);
    expect(() => state.check(1, 0, 5, 5)).toThrow(expect.objectContaining({ code: 'producer-fenced' }));
  });
});

function outcomeOf(state: ProducerState, producer: number, epoch: number, first: number, last: number): string {
  try {
    const duplicateOf = state.check(producer, epoch, first, last);
    return duplicateOf < 0 ? 'append' : `duplicate of ${duplicateOf}`;
  } catch (cause) {
    return cause instanceof StorageError ? cause.code : String(cause);
  }
}
