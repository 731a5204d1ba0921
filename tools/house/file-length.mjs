const warnAbove = 400;
const failAbove = 700;

/** @type {import('./sources.mjs').Rule} */
export const fileLength = {
  name: 'file-length',
  why: 'a file that grows is two ideas',
  check: (sources) =>
    sources
      .filter(({ syntax, lines }) => syntax !== undefined && lines.length > warnAbove)
      .map(({ path, lines }) => ({
        path,
        line: lines.length,
        text: `${lines.length} lines, the limit is ${failAbove} and ${warnAbove} the aim`,
        warning: lines.length <= failAbove,
      })),
};
