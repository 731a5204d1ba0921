import ts from 'typescript';
import { lineOf, walk } from './sources.mjs';

const asserts = /^(expect|assert|fc\.assert)\b|^(expect|assert|verify|check)[A-Z]/;
const isTestCall = /^(it|test)\b(\.|\(|$)/;

/** @param {ts.CallExpression} call */
function callbackOf(call) {
  return call.arguments.find((argument) => ts.isArrowFunction(argument) || ts.isFunctionExpression(argument));
}

/**
 * @param {import('./sources.mjs').Source} source
 * @param {ts.SourceFile} syntax
 */
function findingsIn({ path }, syntax) {
  /** @type {import('./sources.mjs').Finding[]} */
  const findings = [];
  let assertions = 0;
  walk(syntax, (node) => {
    if (!ts.isCallExpression(node)) return;
    const called = node.expression.getText();
    if (asserts.test(called)) assertions += 1;
    const body = isTestCall.test(called) ? callbackOf(node)?.body : undefined;
    if (body !== undefined && ts.isBlock(body) && body.statements.length === 0)
      findings.push({ path, line: lineOf(syntax, node.getStart()), text: 'an empty test' });
  });
  if (assertions === 0) findings.push({ path, line: 1, text: 'no assertion in the whole file' });
  return findings;
}

/** @type {import('./sources.mjs').Rule} */
export const assertions = {
  name: 'assertions',
  why: 'a test that cannot fail is a defect',
  check: (sources) =>
    sources.flatMap((source) =>
      source.isTest && source.syntax !== undefined ? findingsIn(source, source.syntax) : [],
    ),
};
