import { describe, expect, it } from 'vitest';
import { SettleOutcome } from '../ports.js';
import { PendingSettles } from './pending-settles.js';

const KEY = { producerId: 2 ** 52 + 7, epoch: 3 };
const OTHER = { producerId: 2 ** 52 + 8, epoch: 32_767 };

function changesOf(pending: PendingSettles): Uint8Array[] {
  const changes: Uint8Array[] = [];
  for (let change = pending.takeChange(); change !== undefined; change = pending.takeChange()) changes.push(change);
  return changes;
}

function resolved(pending: PendingSettles): [number, number][] {
  const settled: [number, number][] = [];
  pending.resolve(
    (producerId) => producerId === KEY.producerId,
    (offset, outcome) => settled.push([offset, outcome]),
  );
  return settled;
}

function prepared(): PendingSettles {
  const pending = new PendingSettles();
  pending.prepare(KEY, SettleOutcome.acknowledge, [9, 3, 2 ** 40]);
  pending.prepare(KEY, SettleOutcome.discard, [4]);
  pending.prepare(OTHER, SettleOutcome.requeue, [5]);
  return pending;
}

const EXPECTED = [
  [9, 0],
  [3, 0],
  [2 ** 40, 0],
  [4, 2],
];

describe('pending settles', () => {
  it('come back from their changes, and from a snapshot; the committed ones are told', () => {
    const source = prepared();
    const replayed = new PendingSettles();
    for (const change of changesOf(source)) replayed.apply(change);
    const restored = new PendingSettles();
    restored.restore(source.snapshot());
    expect([source.size, replayed.size, restored.size]).toEqual([2, 2, 2]);
    for (const pending of [source, replayed, restored]) {
      expect(resolved(pending)).toEqual(EXPECTED);
      expect(pending.size).toBe(0);
    }
  });

  it('are over when their transaction has ended', () => {
    const source = prepared();
    source.ended(KEY);
    source.ended({ ...KEY, epoch: 4 });
    const replayed = new PendingSettles();
    for (const change of changesOf(source)) replayed.apply(change);
    expect(replayed.size).toBe(1);
    expect(resolved(replayed)).toEqual([]);
  });

  it('divide long lists into changes of bounded size', () => {
    const source = new PendingSettles();
    const offsets = Array.from({ length: 3000 }, (_, index) => index * 3);
    source.prepare(KEY, SettleOutcome.acknowledge, offsets);
    const changes = changesOf(source);
    expect(changes.length).toBe(6);
    expect(Math.max(...changes.map(({ length }) => length))).toBeLessThan(4096);
    const replayed = new PendingSettles();
    for (const change of changes) replayed.apply(change);
    expect(resolved(replayed).map(([offset]) => offset)).toEqual(offsets);
  });

  it('refuse what they have not written, cut at any byte', () => {
    const [change] = changesOf(prepared());
    for (let length = 0; length < change!.length; length++) {
      expect(() => new PendingSettles().apply(change!.subarray(0, length))).toThrow();
    }
    const snapshot = prepared().snapshot();
    for (let length = 0; length < snapshot.length; length++) {
      expect(() => new PendingSettles().restore(snapshot.subarray(0, length))).toThrow();
    }
  });
});
