// The files that the house rules look at, parsed once for all rules.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/**
 * A file of the project. `isTestSupport`: a test, or what only tests import. `syntax` is its TypeScript tree, present for TypeScript and JavaScript only.
 * @typedef {{ path: string, text: string, lines: string[], isTest: boolean, isTestSupport: boolean,
 *   syntax: ts.SourceFile | undefined }} Source
 */

/**
 * What a rule has to say about one place. Warnings are printed and fail nothing. `line` counts from 1.
 * @typedef {{ path: string, line: number, text: string, warning?: boolean }} Finding
 */

/**
 * A house rule: its name, why it exists, and the program that checks it over all files at once.
 * @typedef {{ name: string, why: string, check: (sources: Source[]) => Finding[] }} Rule
 */

const isText = /(\.(ts|mjs|js|json|ya?ml|md|txt|proto|sh|html|css|service|svg)|(^|\/)(Dockerfile|run|\.[a-z]+))$/;
const isCode = /\.(ts|mjs|js)$/;
const passedOver = /^(package-lock\.json$|tools\/fixtures\/|docs\/.*\.svg$)/;

/**
 * One source from its text; rules are tested with it.
 * @param {string} path with forward slashes, from the root of the project
 * @param {string} text
 * @returns {Source}
 */
export function sourceOf(path, text) {
  const syntax = isCode.test(path) ? ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) : undefined;
  const isTest = /\.test\.ts$/.test(path);
  const isTestSupport = isTest || /(^|\/)(fixtures|testing)\//.test(path);
  return { path, text, lines: text.replace(/\n$/, '').split('\n'), isTest, isTestSupport, syntax };
}

/**
 * Every text file that git tracks or would track.
 * @param {string} root
 * @returns {Source[]}
 */
export function projectSources(root) {
  const listing = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  return execFileSync('git', listing, { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter((path) => isText.test(path) && !passedOver.test(path) && existsSync(join(root, path)))
    .map((path) => sourceOf(path, readFileSync(join(root, path), 'utf8')));
}

/**
 * The line of `position`, counted from 1.
 * @param {ts.SourceFile} syntax
 * @param {number} position
 */
export const lineOf = (syntax, position) => syntax.getLineAndCharacterOfPosition(position).line + 1;

/**
 * Calls `visit` with every node below `node`, itself included, parents first.
 * @param {ts.Node} node
 * @param {(node: ts.Node) => void} visit
 */
export function walk(node, visit) {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}
