import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { projectSources, type Rule, sourceOf } from './house/sources.mjs';
import { report, rules } from './house.mjs';

/** What a rule says about a tree of `path: text`: `path:line text`. */
function findings(name: string, tree: Record<string, string>): string[] {
  const rule = rules.find((candidate: Rule) => candidate.name === name);
  if (rule === undefined) throw new Error(`there is no rule ${name}`);
  const sources = Object.entries(tree).map(([path, text]) => sourceOf(path, text));
  return rule
    .check(sources)
    .map(({ path, line, text, warning }) => `${warning ? 'warning ' : ''}${path}:${line} ${text}`);
}

const manyLines = (count: number): string => 'work();\n'.repeat(count);

test('file-length warns above 400 lines and fails above 700', () => {
  const say = (count: number) => findings('file-length', { 'src/a.ts': manyLines(count) })[0]?.slice(0, 20);
  expect([400, 401, 700, 701].map(say)).toEqual([
    undefined,
    'warning src/a.ts:401',
    'warning src/a.ts:700',
    'src/a.ts:701 701 lin',
  ]);
  expect(findings('file-length', { 'docs/long.md': manyLines(800) })).toEqual([]);
});

test('function-length fails above 70 lines, for every kind of function but the callback of describe', () => {
  const body = (count: number) => `{\n${manyLines(count - 2)}}`;
  const say = (text: string) => findings('function-length', { 'src/a.ts': text }).length;
  for (const [head, tail] of [
    ['function long() ', ''],
    ['const long = () => ', ''],
    ["it('x', () => ", ')'],
  ] as const) {
    expect(say(head + body(70) + tail), head).toBe(0);
    expect(say(head + body(71) + tail), head).toBe(1);
  }
  expect(say(`class Thing { method() ${body(71)} }`)).toBe(1);
  expect(say(`describe('x', () => ${body(200)})`)).toBe(0);
  const suite = `export function describeDisk() ${body(200)}`;
  expect(findings('function-length', { 'src/io/fixtures/disk-contract.ts': suite })).toEqual([]);
  expect(say(suite)).toBe(1);
  expect(findings('function-length', { 'src/a.ts': `const long = () => ${body(99)}` })[0]).toContain(
    'long has 99 lines',
  );
});

test('docstrings are asked of every export of src, however it is exported', () => {
  const say = (text: string, path = 'src/a.ts') => findings('docstrings', { [path]: text }).length;
  for (const text of [
    'export const a = 1;',
    'export function a() {}',
    'export class A {}',
    'export type A = 1;',
    'export interface A {}',
    'const a = 1;\nexport { a };',
    'const a = 1;\nexport { a as b };',
    'export default function () {}',
    '// A comment.\nexport const a = 1;',
    '/** Says what. */\nexport const a = 1;\n\nexport const b = 2;',
  ]) {
    expect(say(text), text).toBe(1);
    expect(say(text, 'tools/a.ts') + say(text, 'src/a.test.ts') + say(text, 'src/io/fixtures/a.ts')).toBe(0);
  }
  for (const text of [
    '/** Says what. */\nexport const a = 1;\nexport const b = 2;',
    '/** Says what. */\nexport const A = 1;\nexport type A = 1;',
    '/** Says what. */\nconst a = 1;\nexport { a };',
    "export { a } from './b.js';",
    'const own = 1;',
  ])
    expect(say(text), text).toBe(0);
});

test('open-ends asks what is left to do for the number of an issue', () => {
  const word = 'TO'.concat('DO');
  expect(findings('open-ends', { 'docs/a.md': `fine\n${word}: more` })).toEqual([
    `docs/a.md:2 ${word} without the number of an issue`,
  ]);
  expect(findings('open-ends', { 'src/a.ts': `// ${word}(#12): more` })).toEqual([]);
});

test('machine-paths finds the home of one machine and lets addresses pass', () => {
  const say = (text: string) => findings('machine-paths', { 'README.md': text }).length;
  for (const folder of ['work', 'root', 'home']) expect(say(`see \`/${folder}/x\``), folder).toBe(1);
  expect(say('https://example.com/home/x, src/work/x, a /work or a /home alone')).toBe(0);
});

test('assertions are asked of every test file, and a body of every test', () => {
  const say = (text: string) => findings('assertions', { 'src/a.test.ts': text });
  expect(say("test('x', () => { work(); });")).toEqual(['src/a.test.ts:1 no assertion in the whole file']);
  expect(say("test('x', () => {});\ntest('y', () => { expect(1).toBe(1); });")).toEqual([
    'src/a.test.ts:1 an empty test',
  ]);
  expect(say("it.each([1])('x', () => { expectWhole(1); });")).toEqual([]);
  expect(findings('assertions', { 'src/a.ts': 'work();' })).toEqual([]);
});

test('casts through unknown and switched-off checks need a reason', () => {
  const say = (text: string) => findings('casts', { 'src/a.ts': text }).length;
  expect(say('const a = 1 as unknown as string;')).toBe(1);
  expect(say('// The native addon has no types.\nconst a = 1 as unknown as string;')).toBe(0);
  expect(say(`// @ts-${'ignore'}\nwork();`)).toBe(1);
  expect(say('const a = 1 as number;')).toBe(0);
});

test('limits are used outside tests', () => {
  const tree = (use: string, path = 'src/base/user.ts') => ({
    'src/base/limits.ts':
      '/** Most. */\nexport const MOST = 1;\n/** MOST again. */\nexport const LEAST = 2;\nassert(LEAST > 1);',
    [path]: use,
  });
  const unused = ['src/base/limits.ts:2 MOST is used nowhere'];
  expect(findings('limits', tree(''))).toEqual(unused);
  expect(findings('limits', tree('// MOST is near.'))).toEqual(unused);
  expect(findings('limits', tree('if (n > MOST) fail();', 'src/base/user.test.ts'))).toEqual(unused);
  expect(findings('limits', tree('if (n > MOST) fail();'))).toEqual([]);
});

test('file-names say what is inside, in kebab-case', () => {
  const say = (path: string) => findings('file-names', { [path]: '' }).length;
  for (const path of ['src/base/utils.ts', 'src/common/a.ts', 'src/base/byteReader.ts'])
    expect(say(path), path).toBe(1);
  for (const path of ['src/base/byte-reader.test.ts', 'tools/house.mjs', 'src/io/ports.ts'])
    expect(say(path), path).toBe(0);
});

test('the report counts failures but not warnings, and fails when it was shown next to nothing', () => {
  const many = Array.from({ length: 40 }, (_, index) => sourceOf(`docs/page-${index}.md`, 'fine\n'));
  expect(report(many)).toEqual({ lines: [], failures: 0 });
  expect(report([...many, sourceOf('test/long.mjs', manyLines(500))]).failures).toBe(0);
  expect(report([...many, sourceOf('src/a.ts', 'export const a = 1;')]).failures).toBe(1);
  expect(report(many.slice(0, 3)).failures).toBe(1);
});

test('the listing of the real tree holds code, tests and documents, and no fixtures', () => {
  const paths = projectSources(dirname(dirname(fileURLToPath(import.meta.url)))).map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(['tools/house.mjs', 'tools/house.test.ts', 'README.md', 'biome.json']));
  expect(paths.filter((path) => /^tools\/fixtures|node_modules|^dist\//.test(path))).toEqual([]);
});
