import ts from 'typescript';
import { lineOf, walk } from './sources.mjs';

const failAbove = 70;

/**
 * A `describe` callback is a chapter of tests, not a function that somebody has to hold in mind.
 * @param {ts.Node} node
 */
function isChapter(node) {
  return ts.isCallExpression(node.parent) && /^describe\b/.test(node.parent.expression.getText());
}

/** @param {ts.Node} node */
function nameOf(node) {
  const named = /** @type {{ name?: ts.Node }} */ (node).name ?? /** @type {{ name?: ts.Node }} */ (node.parent).name;
  return named === undefined ? 'a function' : named.getText();
}

/** @type {import('./sources.mjs').Rule} */
export const functionLength = {
  name: 'function-length',
  why: 'the parent decides, helpers compute',
  check(sources) {
    /** @type {import('./sources.mjs').Finding[]} */
    const findings = [];
    for (const { path, syntax } of sources) {
      if (syntax === undefined) continue;
      walk(syntax, (node) => {
        if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined || isChapter(node)) return;
        const line = lineOf(syntax, node.getStart());
        const length = lineOf(syntax, node.getEnd()) - line + 1;
        if (length > failAbove)
          findings.push({ path, line, text: `${nameOf(node)} has ${length} lines, the limit is ${failAbove}` });
      });
    }
    return findings;
  },
};
