/** The JSON form of frames, sound and broken. */
import type { Prng } from '../../src/base/prng.js';
import { duolog } from '../../src/proto/client.js';
import { encodeTree, type WireField } from './wire-tree.js';

const { Frame } = duolog.client.v1;

/** The JSON of a frame. */
export function textOf(frame: WireField[]): string {
  return JSON.stringify(
    Frame.toObject(Frame.decode(encodeTree(frame)), { enums: String, longs: String, bytes: String }),
  );
}

const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  -0,
  2 ** 53,
  2 ** 64,
  '',
  '0',
  '-1',
  '99999999999999999999',
  'käse',
  '\ud800',
  [],
  [[]],
  {},
  { a: 1 },
  'A',
  'AAA=',
  '*',
  [1, 2, 3],
  '\u0000',
];
const NAMES: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'id',
  'unknown',
  'publish',
  'max_wait_ms',
  'maxWaitMs',
  '',
];

function changeValue(value: unknown, prng: Prng, depth: number): unknown {
  if (depth === 0 || typeof value !== 'object' || value === null) return prng.pick(VALUES);
  if (Array.isArray(value)) {
    if (value.length === 0 || prng.chance(0.2)) return prng.pick(VALUES);
    return value.map((item, index) => (index === 0 ? changeValue(item, prng, depth - 1) : item));
  }
  const entries = Object.entries(value);
  if (entries.length === 0 || prng.chance(0.1)) return { ...value, [prng.pick(NAMES)]: prng.pick(VALUES) };
  const chosen = prng.below(entries.length);
  return Object.fromEntries(
    entries.map(([name, item], index) => [name, index === chosen ? changeValue(item, prng, depth - 1) : item]),
  );
}

/** JSON of the right form with a value or a field that is wrong. */
export function changeJson(text: string, prng: Prng): string {
  return JSON.stringify(changeValue(JSON.parse(text), prng, prng.between(1, 5)));
}

/** Text that mostly is no JSON at all, or JSON that no frame can be. */
export function breakJson(text: string, prng: Prng): string {
  const at = prng.below(text.length + 1);
  switch (prng.below(8)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return `${text.slice(0, at)}${prng.pick(['"', '{', '}', '[', ',', ':', '\\', '\u0000', '\ud800'])}${text.slice(at)}`;
    case 2:
      return '['.repeat(prng.pick([17, 1000, 100_000]));
    case 3:
      return `${'{"a":'.repeat(prng.pick([15, 17, 5000]))}1${'}'.repeat(17)}`;
    case 4:
      return `{"id":1,"ping":{"payload":"${'A'.repeat(prng.pick([10, 2000, 300_000]))}"}}`;
    case 5:
      return `[${'1,'.repeat(prng.pick([10, 250_000]))}1]`;
    case 6:
      return text.replace('"id":', `"id":${'9'.repeat(prng.pick([5, 40, 400]))}`);
    default:
      return prng.pick([
        '',
        'null',
        '1',
        '"x"',
        '[]',
        '{}',
        ' ',
        'NaN',
        '{"id":1}',
        '{"ping":{}}x',
        '\ufeff{"ping":{}}',
      ]);
  }
}
