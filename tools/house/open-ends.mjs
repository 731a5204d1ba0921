// The words are spelled so that this file does not report itself.
const mark = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].join('|')})\\b`);
const issue = /#\d+/;

/** @type {import('./sources.mjs').Rule} */
export const openEnds = {
  name: 'open-ends',
  why: 'what is left to do has an issue, or nobody will find it',
  check: (sources) =>
    sources.flatMap(({ path, lines }) =>
      lines.flatMap((text, index) =>
        mark.test(text) && !issue.test(text)
          ? [{ path, line: index + 1, text: `${mark.exec(text)?.[0]} without the number of an issue` }]
          : [],
      ),
    ),
};
