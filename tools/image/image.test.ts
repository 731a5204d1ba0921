import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { trimBinaries } from '../trim-binaries.mjs';
import { execForm, isIgnored, parseDockerfile } from './dockerfile.mjs';
import { carryOutStages } from './stages.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'duolog-image-test-'));
  mkdirSync(join(folder, 'context/src'), { recursive: true });
  writeFileSync(join(folder, 'context/package.json'), '{}');
  writeFileSync(join(folder, 'context/src/a.ts'), 'a');
  writeFileSync(join(folder, 'context/src/a.test.ts'), 'test');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ignoreText = '*\n!package.json\n!src\n**/*.test.ts\n';
const build = (text: string) =>
  carryOutStages(parseDockerfile(text), { folder, context: join(folder, 'context'), ignoreText });

test('instructions are read with continued lines and without comments', () => {
  expect(parseDockerfile('# Why.\nFROM node AS build\n\nRUN one \\\n  two\n')).toEqual([
    { keyword: 'FROM', rest: 'node AS build' },
    { keyword: 'RUN', rest: 'one    two' },
  ]);
  expect(() => parseDockerfile('what is this')).toThrow('Cannot read this Dockerfile line: what is this');
});

test('the last pattern that matches decides what is ignored', () => {
  const ignored = (path: string) => isIgnored(ignoreText, path);
  expect(['.git/config', 'node_modules', 'src/a.test.ts'].map(ignored)).toEqual([true, true, true]);
  expect(['package.json', 'src', 'src/a.ts'].map(ignored)).toEqual([false, false, false]);
});

test('stages are carried out in folders: copies, commands, environment, and copies between stages', () => {
  const image = build(`FROM x AS build
WORKDIR /app
COPY package.json ./
COPY src ./src
RUN ls src > listing
RUN install --directory /data
FROM x
ENV WHERE=here
WORKDIR /app
COPY --from=build /app/listing ./
RUN echo $WHERE > where
USER node
HEALTHCHECK --interval=1s CMD ["true"]
ENTRYPOINT ["node"]
CMD ["start"]`);
  expect(readFileSync(join(image.folder, 'app/listing'), 'utf8')).toBe('a.ts\n');
  expect(readFileSync(join(image.folder, 'app/where'), 'utf8')).toBe('here\n');
  expect(image).toMatchObject({ user: 'node', entrypoint: ['node'], command: ['start'], healthcheck: ['true'] });
});

test('a failing command, a missing source and an unknown instruction stop it', () => {
  expect(() => build('FROM x\nWORKDIR /app\nRUN exit 3')).toThrow('exit code 3');
  expect(() => build('FROM x\nCOPY secret ./')).toThrow('secret is not in the build context');
  expect(() => build('FROM x\nCOPY --from=nowhere /a ./')).toThrow('no stage nowhere');
  expect(() => build('FROM x\nADD a b')).toThrow('Cannot carry out ADD');
});

test("the project's own Dockerfile has two stages, runs without root, and copies only what its context holds", () => {
  const instructions = parseDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  const of = (keyword: string) => instructions.filter((each) => each.keyword === keyword).map(({ rest }) => rest);
  expect(of('FROM')).toEqual(['node:24-trixie-slim AS build', 'node:24-trixie-slim']);
  expect(of('USER')).toEqual(['node']);
  expect(execForm(of('ENTRYPOINT')[0] ?? '')).toEqual(['node', 'dist/cli/main.js']);
  const rules = readFileSync(join(root, '.dockerignore'), 'utf8');
  const sources = of('COPY').flatMap((rest) => (rest.startsWith('--from') ? [] : rest.split(/\s+/).slice(0, -1)));
  expect(sources.filter((source) => !existsSync(join(root, source)) || isIgnored(rules, source))).toEqual([]);
});

test('binaries of other platforms go, the own one stays, and without it nothing goes', () => {
  for (const name of ['uws_linux_x64_115.node', 'uws_win32_x64_115.node', 'uws.js'])
    writeFileSync(join(folder, name), 'four');
  expect(() => trimBinaries(folder, 'uws_linux_arm64_115.node')).toThrow('no uws_linux_arm64_115.node to keep');
  expect(trimBinaries(folder, 'uws_linux_x64_115.node')).toBe(4);
  expect(
    ['uws_linux_x64_115.node', 'uws_win32_x64_115.node', 'uws.js'].map((name) => existsSync(join(folder, name))),
  ).toEqual([true, false, true]);
});
