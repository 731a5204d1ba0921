// A path that begins with the home of one machine or one account. Addresses such as host/home/ are something else.
const banned = new RegExp(`(?<![\\w.}-])/(${['work', 'root', 'home', 'Users'].join('|')})/\\w`);

/** @type {import('./sources.mjs').Rule} */
export const machinePaths = {
  name: 'machine-paths',
  why: 'what names a path of one machine works on that machine only',
  check: (sources) =>
    sources.flatMap(({ path, lines }) =>
      lines.flatMap((text, index) =>
        banned.test(text) ? [{ path, line: index + 1, text: `names ${banned.exec(text)?.[0]}…` }] : [],
      ),
    ),
};
