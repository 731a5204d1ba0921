// The layout table as rules for dependency-cruiser.
import { layout } from './layout.mjs';

const tests = '\\.test\\.ts$|/testing/|/fixtures/';
const startsTheNode = '^src/cli/(commands/)?(main|start|restore)\\.ts$';

/** @typedef {import('dependency-cruiser').IForbiddenRuleType} Rule */

/** @param {string} name */
const named = (name) => ({ name, severity: /** @type {const} */ ('error') });

/**
 * The rules of one folder of src/: which folders, packages and builtins it may import.
 * @param {string} folder
 * @param {{ imports: string[], packages: string[], builtins: string[] }} allowed
 * @returns {Rule[]}
 */
function folderRules(folder, { imports, packages, builtins }) {
  const own = `^src/${folder}/`;
  const notTests = folder === 'cli' ? [tests, startsTheNode] : [tests];
  const reachable = [own, ...imports.map((path) => `^src/${path}`)];
  return [
    {
      ...named(`${folder}-imports-downwards`),
      from: { path: own, pathNot: notTests },
      to: { path: '^src/', pathNot: reachable },
    },
    {
      // Tests may use the real or the simulated system, whatever their folder.
      ...named(`${folder}-tests-import-downwards`),
      from: { path: `${own}.*(${tests})` },
      to: { path: '^src/', pathNot: [...reachable, '^src/io/'] },
    },
    {
      ...named(`${folder}-packages`),
      from: { path: own, pathNot: tests },
      to: { path: '(^|/)node_modules/', pathNot: packages.map((name) => `(^|/)node_modules/(@types/)?${name}(/|$)`) },
    },
    {
      ...named(`${folder}-builtins`),
      from: { path: own, pathNot: tests },
      to: { dependencyTypes: ['core'], pathNot: builtins.map((name) => `^(node:)?${name}(/|$)`) },
    },
  ];
}

/**
 * What holds for every folder.
 * @type {Rule[]}
 */
const commonRules = [
  { ...named('no-cycles'), from: {}, to: { circular: true } },
  { ...named('no-unresolvable'), from: {}, to: { couldNotResolve: true } },
  {
    ...named('doors-are-siblings'),
    from: { path: '^src/doors/([^/]+)/' },
    to: { path: '^src/doors/[^/]+/', pathNot: '^src/doors/($1|shared)/' },
  },
  {
    ...named('only-the-start-command-imports-node'),
    from: { path: startsTheNode },
    to: {
      path: '^src/',
      pathNot: ['^src/(cli|node)/', ...(layout['cli']?.imports ?? []).map((path) => `^src/${path}`)],
    },
  },
  { ...named('generated-code-has-a-wrapper'), from: { pathNot: '^src/proto/' }, to: { path: '^src/proto/gen/' } },
  { ...named('nothing-imports-tests'), from: { pathNot: tests }, to: { path: '^(src|test)/.*\\.test\\.ts$' } },
  {
    ...named('no-development-packages'),
    from: { path: '^src/', pathNot: tests },
    to: { dependencyTypes: ['npm-dev'], pathNot: '(^|/)node_modules/@types/' },
  },
  { ...named('load-tests-see-no-internals'), from: { path: '^loadtest/' }, to: { path: '^src/' } },
];

/** Every import rule of the project, for `cruise()` and for `.dependency-cruiser.mjs`. */
export const forbidden = [
  ...Object.entries(layout).flatMap(([folder, allowed]) => folderRules(folder, allowed)),
  ...commonRules,
];
