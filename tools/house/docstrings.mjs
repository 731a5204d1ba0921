import ts from 'typescript';
import { lineOf } from './sources.mjs';

/**
 * The names that a statement declares.
 * @param {ts.Statement} statement
 * @returns {string[]}
 */
function declaredNames(statement) {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.map(({ name }) => name.getText());
  const { name } = /** @type {{ name?: ts.Node }} */ (/** @type {unknown} */ (statement));
  return [name?.getText() ?? 'the default export'];
}

/**
 * Names exported after their declaration: `export { a, b as c }` without a source.
 * @param {ts.SourceFile} syntax
 */
function namesExportedLater(syntax) {
  const lists = syntax.statements.filter(
    (statement) => ts.isExportDeclaration(statement) && !statement.moduleSpecifier,
  );
  return new Set(
    lists.flatMap((list) => {
      const clause = /** @type {ts.ExportDeclaration} */ (list).exportClause;
      if (clause === undefined || !ts.isNamedExports(clause)) return [];
      return clause.elements.map((element) => (element.propertyName ?? element.name).text);
    }),
  );
}

/** @param {ts.Statement} statement */
function isExported(statement) {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

/**
 * Constants on neighbouring lines are one group (the fields of a layout, a smallest and a largest): its first docstring serves them all.
 * @param {ts.SourceFile} syntax
 */
function documentedStatements(syntax) {
  /** @type {Set<ts.Statement>} */
  const documented = new Set();
  syntax.statements.forEach((statement, index) => {
    const before = syntax.statements[index - 1];
    const continuesGroup =
      before !== undefined &&
      documented.has(before) &&
      ts.isVariableStatement(before) &&
      ts.isVariableStatement(statement) &&
      lineOf(syntax, statement.getStart()) === lineOf(syntax, before.getEnd()) + 1;
    if (ts.getJSDocCommentsAndTags(statement).length > 0 || continuesGroup) documented.add(statement);
  });
  return documented;
}

/**
 * @param {import('./sources.mjs').Source} source
 * @param {ts.SourceFile} syntax
 */
function findingsIn({ path }, syntax) {
  const later = namesExportedLater(syntax);
  const documented = new Set([...documentedStatements(syntax)].flatMap(declaredNames));
  // One docstring serves all overloads, and a constant with the type of the same name.
  return syntax.statements
    .filter((statement) => !ts.isExportDeclaration(statement))
    .flatMap((statement) => {
      const names = declaredNames(statement).filter((name) => isExported(statement) || later.has(name));
      const line = lineOf(syntax, statement.getStart());
      return names
        .filter((name) => !documented.has(name))
        .map((name) => ({ path, line, text: `${name} has no docstring` }));
    });
}

/** @type {import('./sources.mjs').Rule} */
export const docstrings = {
  name: 'docstrings',
  why: 'every export says what it is, its units, and what it throws',
  check: (sources) =>
    sources
      .filter(({ path, isTestSupport }) => path.startsWith('src/') && !isTestSupport)
      .flatMap((source) => (source.syntax === undefined ? [] : findingsIn(source, source.syntax))),
};
