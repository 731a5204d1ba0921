import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { KeyTable } from './key-table.js';

it('holds many keys, and what is left of them', () => {
  const table = new KeyTable<number>();
  for (let number = 0; number < 20_000; number++) table.set(`key-${number}`, number);
  for (let number = 0; number < 20_000; number += 2) expect(table.delete(`key-${number}`)).toBe(true);
  for (let number = 20_000; number < 30_000; number++) table.set(`key-${number}`, number);
  for (let number = 0; number < 30_000; number++) {
    expect(table.get(`key-${number}`)).toBe(number < 20_000 && number % 2 === 0 ? undefined : number);
  }
});

/** Strings whose hashes are the same: pairs of units that FNV-1a takes to the same state, put together in all ways. */
function collisions(count: number): string[] {
  const prime = 0x01000193;
  const state = (text: string, from: number): number =>
    [...text].reduce((hash, unit) => Math.imul(hash ^ unit.charCodeAt(0), prime), from);
  const texts: string[] = [];
  let start = 0x811c9dc5;
  let choices: [string, string][] = [];
  while (2 ** choices.length < count) {
    const seen = new Map<number, string>();
    for (let unit = 0; ; unit++) {
      const text = String.fromCharCode(1 + (unit % 50_000), 1 + Math.floor(unit / 50_000) * 7919 + (unit % 97));
      const end = state(text, start);
      const other = seen.get(end);
      if (other !== undefined && other !== text) {
        choices = [...choices, [other, text]];
        start = end;
        break;
      }
      seen.set(end, text);
    }
  }
  for (let mask = 0; mask < count; mask++) {
    texts.push(choices.map((pair, bit) => pair[(mask >> bit) & 1]).join(''));
  }
  return texts;
}

const chosen = collisions(2_000);

it('is a map, whatever comes and goes', () => {
  const key = fc.oneof(
    fc.nat(60).map((number) => `key-${number}`),
    fc.nat(60).map((number) => chosen[number]!),
    fc.constantFrom('', 'ü', '🐇'),
  );
  const step = fc.tuple(fc.constantFrom('set', 'set', 'delete'), key, fc.nat());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const table = new KeyTable<number>();
      const model = new Map<string, number>();
      for (const [what, name, value] of steps) {
        if (what === 'delete') expect(table.delete(name)).toBe(model.delete(name));
        else {
          table.set(name, value);
          model.set(name, value);
        }
        expect(table.get(name)).toBe(model.get(name));
      }
      for (let number = 0; number <= 60; number++) {
        expect(table.get(`key-${number}`)).toBe(model.get(`key-${number}`));
        expect(table.get(chosen[number]!)).toBe(model.get(chosen[number]!));
      }
    }),
    { numRuns: 300 },
  );
});

it('holds keys that were chosen to have the same hash', () => {
  const keys = chosen.slice(0, 100);
  const table = new KeyTable<number>();
  for (const [index, key] of keys.entries()) table.set(key, index);
  for (const [index, key] of keys.entries()) expect(table.get(key)).toBe(index);
  for (const key of keys) expect(table.delete(key)).toBe(true);
  for (const key of keys) expect(table.get(key)).toBeUndefined();
});

it('puts chosen keys in anew a few times only, however many come and go', () => {
  const rebuilt = vi.spyOn(Map.prototype, 'clear');
  try {
    const table = new KeyTable<number>();
    for (const [index, key] of chosen.entries()) table.set(key, index);
    for (let round = 0; round < 1_000; round++) {
      table.set(`other-${round}`, round);
      table.delete(`other-${round}`);
    }
    for (const key of chosen) expect(table.delete(key)).toBe(true);
    expect(rebuilt.mock.calls.length).toBeLessThan(20);
  } finally {
    rebuilt.mockRestore();
  }
});
