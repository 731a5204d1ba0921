import ts from 'typescript';
import { lineOf, walk } from './sources.mjs';

const failAbove = 70;

/** @param {ts.Node} node */
function nameOf(node) {
  const named = /** @type {{ name?: ts.Node }} */ (node).name ?? /** @type {{ name?: ts.Node }} */ (node.parent).name;
  return named === undefined ? 'a function' : named.getText();
}

/**
 * A `describe` callback, or a suite that several test files share as `describeThing()`, is a chapter of tests and not a function that
 * somebody has to hold in mind.
 * @param {ts.Node} node
 * @param {boolean} isTestSupport
 */
function isChapter(node, isTestSupport) {
  if (ts.isCallExpression(node.parent)) return /^describe\b/.test(node.parent.expression.getText());
  return isTestSupport && /^describe[A-Z]/.test(nameOf(node));
}

/** @type {import('./sources.mjs').Rule} */
export const functionLength = {
  name: 'function-length',
  why: 'the parent decides, helpers compute',
  check(sources) {
    /** @type {import('./sources.mjs').Finding[]} */
    const findings = [];
    for (const { path, syntax, isTestSupport } of sources) {
      if (syntax === undefined) continue;
      walk(syntax, (node) => {
        if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined || isChapter(node, isTestSupport))
          return;
        const line = lineOf(syntax, node.getStart());
        const length = lineOf(syntax, node.getEnd()) - line + 1;
        if (length > failAbove)
          findings.push({ path, line, text: `${nameOf(node)} has ${length} lines, the limit is ${failAbove}` });
      });
    }
    return findings;
  },
};
