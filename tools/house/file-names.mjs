const says = /(^|\/)(utils?|helpers?|misc|common|managers?|stuff)(\.[\w.]+|\/)/;
const isKebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)+$/;

/** @type {import('./sources.mjs').Rule} */
export const fileNames = {
  name: 'file-names',
  why: 'somebody new finds the place for a change by reading names',
  check: (sources) =>
    sources
      .filter(({ path }) => /^(src|test|tools|loadtest)\//.test(path))
      .flatMap(({ path, syntax }) => {
        const name = path.split('/').at(-1) ?? '';
        if (says.test(path)) return [{ path, line: 1, text: 'this name does not say what is inside' }];
        if (syntax !== undefined && !isKebabCase.test(name)) return [{ path, line: 1, text: 'not in kebab-case' }];
        return [];
      }),
};
