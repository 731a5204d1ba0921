import ts from 'typescript';
import { lineOf } from './sources.mjs';

const isLimitsFile = /^src\/(.+[/-])?limits\.ts$/;

/**
 * The names of the constants that a limits file exports, with their lines.
 * @param {ts.SourceFile} syntax
 */
function exportedConstants(syntax) {
  return syntax.statements
    .filter(ts.isVariableStatement)
    .filter((statement) => statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword))
    .flatMap((statement) => [...statement.declarationList.declarations])
    .map((declaration) => ({ name: declaration.name.getText(), line: lineOf(syntax, declaration.getStart()) }));
}

/**
 * How often `name` stands as a word of code in `text`.
 * @param {string} name
 * @param {string} text
 */
function mentions(name, text) {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  return code.match(new RegExp(`\\b${name}\\b`, 'g'))?.length ?? 0;
}

/** @type {import('./sources.mjs').Rule} */
export const limits = {
  name: 'limits',
  why: 'a limit that nothing enforces is a promise that nobody keeps',
  check(sources) {
    const users = sources.filter(({ path, isTestSupport }) => path.startsWith('src/') && !isTestSupport);
    return users.flatMap((source) => {
      if (source.syntax === undefined || !isLimitsFile.test(source.path)) return [];
      const others = users.filter((user) => user !== source);
      return exportedConstants(source.syntax)
        .filter(({ name }) => mentions(name, source.text) < 2 && !others.some(({ text }) => mentions(name, text) > 0))
        .map(({ name, line }) => ({ path: source.path, line, text: `${name} is used nowhere` }));
    });
  },
};
