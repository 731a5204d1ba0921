// For `npx depcruise` by hand, for instance to draw a graph; `npm run ok` runs tools/check-imports.mjs with the same rules.
import { forbidden } from './tools/imports/rules.mjs';

export default { forbidden, options: { tsPreCompilationDeps: true, doNotFollow: { path: 'node_modules' } } };
