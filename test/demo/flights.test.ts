import { existsSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import type { Flight } from '../../demo/flights/dataset.mjs';
import { carry } from '../../demo/flights/journey.mjs';
import { startNode } from '../../demo/flights/node-process.mjs';
import { summary } from '../../demo/flights/report.mjs';
import { totalsOf } from '../../demo/flights/totals.mjs';

const rows = 5_000;

function generated(): Flight[] {
  return Array.from({ length: rows }, (_, index) => ({
    delay: ((index * 37) % 200) - 20,
    distance: 100 + ((index * 7919) % 53),
    time: ((index * 11) % 1440) / 60,
  }));
}

let node: Awaited<ReturnType<typeof startNode>> | undefined;
afterEach(() => node?.stop());

test('flights come out of a node by offset and through competing consumers with the sums they went in with', async () => {
  node = await startNode();
  const flights = generated();
  const heard: string[] = [];
  const begin = (verb: string) => {
    heard.push(verb);
    return () => undefined;
  };
  const { signal } = new AbortController();
  const legs = await carry({ url: node.url, queue: 'flights', flights, consumers: 4, begin, signal });
  expect(heard).toEqual(['Published', 'Pulled', 'Consumed']);
  expect([legs.published.rows, legs.pulled.rows, legs.consumed.rows]).toEqual([rows, rows, rows]);
  const shares = legs.consumed.shares ?? [];
  expect(shares).toHaveLength(4);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBe(rows);
  const { text, isEqual } = summary(totalsOf(flights), legs);
  expect(isEqual).toBe(true);
  expect(text.match(/ equal$/gm)).toHaveLength(2);
  await node.stop();
  expect(existsSync(node.folder)).toBe(false);
});

test('what is interrupted ends with the reason and leaves nothing open', async () => {
  node = await startNode();
  const controller = new AbortController();
  const begin = (verb: string) => () => {
    if (verb === 'Consumed') controller.abort(new Error('Enough'));
  };
  const { signal } = controller;
  await expect(
    carry({ url: node.url, queue: 'flights', flights: generated(), consumers: 2, begin, signal }),
  ).rejects.toThrow('Enough');
});

test('one changed, missing or doubled flight is seen', () => {
  const flights = generated();
  const file = totalsOf(flights);
  const [first] = flights;
  const distance = first!.distance;
  const changed = flights.with(0, { ...first!, delay: first!.delay + 1 });
  const swapped = changed.with(53, { ...flights[53]!, time: flights[53]!.time + 1 });
  for (const other of [changed, swapped, flights.slice(1), [...flights, first!]]) {
    expect(totalsOf(other).differences(file)).toEqual([distance]);
  }
  const strange = totalsOf([...flights, { delay: 0, distance: 99_999, time: 0 }]);
  expect(strange.differences(file)).toEqual([99_999]);
  expect(file.differences(strange)).toEqual([99_999]);
  const leg = { verb: '', rows, seconds: 1 };
  const legs = { published: leg, pulled: { ...leg, totals: file }, consumed: { ...leg, totals: strange, shares: [] } };
  const { text, isEqual } = summary(file, legs);
  expect(isEqual).toBe(false);
  expect(text).toContain('DIFFERENT at 1 distance');
});

test('times that are no whole minutes are refused rather than rounded', () => {
  expect(() => totalsOf([{ delay: 0, distance: 1, time: 0.001 }])).toThrow(/no whole minutes/);
});
