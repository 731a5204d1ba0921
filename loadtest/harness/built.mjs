// What `npm run build` made. Found at run time, so that nothing here depends on a build; DUOLOG_DIST points elsewhere.
const dist = process.env.DUOLOG_DIST ?? new URL('../../dist/', import.meta.url).href;

/** Where a built file is, by its path below dist/. */
export const builtUrl = (path) => new URL(path, dist);
/** Imports a built file. */
export const built = (path) => import(builtUrl(path).href);
