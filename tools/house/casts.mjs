import ts from 'typescript';
import { lineOf, walk } from './sources.mjs';

/**
 * Whether a comment stands on the line of the node or on the line above it.
 * @param {string[]} lines
 * @param {number} line
 */
const isExplained = (lines, line) =>
  [lines[line - 1], lines[line - 2]].some((text) => /\/\/|\*\/|^\s*\*/.test(text ?? ''));

/** @param {ts.Node} node */
const isDoubleCast = (node) =>
  ts.isAsExpression(node) &&
  ts.isAsExpression(node.expression) &&
  node.expression.type.kind === ts.SyntaxKind.UnknownKeyword;

/** @type {import('./sources.mjs').Rule} */
export const casts = {
  name: 'casts',
  why: 'a cast through unknown, or a switched-off check, needs a sentence beside it',
  check: (sources) =>
    sources.flatMap(({ path, syntax, lines }) => {
      if (syntax === undefined || !path.endsWith('.ts')) return [];
      /** @type {import('./sources.mjs').Finding[]} */
      const findings = [];
      walk(syntax, (node) => {
        const line = lineOf(syntax, node.getStart());
        if (isDoubleCast(node) && !isExplained(lines, line))
          findings.push({ path, line, text: 'a cast through unknown without a comment' });
      });
      lines.forEach((text, index) => {
        if (/^\s*\/\/ @ts-(ignore|nocheck|expect-error\s*$)/.test(text))
          findings.push({ path, line: index + 1, text: `${text.trim()} without a reason` });
      });
      return findings;
    }),
};
