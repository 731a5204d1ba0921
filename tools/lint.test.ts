import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import { expect, test } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const here = fileURLToPath(import.meta.url);

/** The rules that eslint reports for `source`, were it the text of this file. */
async function eslintRules(source: string): Promise<(string | null)[]> {
  // In continuous integration the parser would read the file from disk instead of taking the text that it is given.
  const overrideConfig = { languageOptions: { parserOptions: { disallowAutomaticSingleRunInference: true } } };
  const results = await new ESLint({ cwd: root, overrideConfig }).lintText(source, { filePath: here });
  return results.flatMap(({ messages }) => messages.map(({ ruleId }) => ruleId));
}

/** The rules that biome reports for `source` as a test in a tree of its own, with the project's settings save version control. */
function biomeRules(source: string): string[] {
  const tree = mkdtempSync(join(tmpdir(), 'duolog-lint-'));
  try {
    const settings = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8'));
    writeFileSync(join(tree, 'biome.json'), JSON.stringify({ ...settings, vcs: undefined, $schema: undefined }));
    writeFileSync(join(tree, 'bad.test.ts'), source);
    const biome = createRequire(import.meta.url).resolve('@biomejs/biome/bin/biome');
    const { stdout } = spawnSync(process.execPath, [biome, 'lint', '--reporter=json'], { cwd: tree, encoding: 'utf8' });
    const report: { diagnostics: { category: string }[] } = JSON.parse(stdout);
    return report.diagnostics.map(({ category }) => category.replace(/^lint\/\w+\//, ''));
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

test('promises that nobody waits for are errors', async () => {
  const source = `
    const work = async (): Promise<number> => 1;
    work();
    [1].forEach(work);
    export const one = await 1;
  `;
  expect(await eslintRules(source)).toEqual([
    '@typescript-eslint/no-floating-promises',
    '@typescript-eslint/no-misused-promises',
    '@typescript-eslint/await-thenable',
  ]);
  expect(await eslintRules('export const two = await Promise.resolve(2);')).toEqual([]);
}, 60_000);

test('focused tests, skipped tests and any are errors', () => {
  expect(biomeRules(`import { it } from 'vitest'; it.only('x', () => {});`)).toEqual(['noFocusedTests']);
  expect(biomeRules(`import { describe } from 'vitest'; describe.skip('x', () => {});`)).toEqual(['noSkippedTests']);
  expect(biomeRules('const value = JSON.parse("1") as any;\nprocess.exitCode = value;')).toEqual(['noExplicitAny']);
});
