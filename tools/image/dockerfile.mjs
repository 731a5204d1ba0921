// Reads the part of the Dockerfile language that this project uses.

/** @typedef {{ keyword: string, rest: string }} Instruction */

/**
 * The instructions of a Dockerfile, with continued lines joined and comments dropped.
 * @param {string} text
 * @returns {Instruction[]}
 */
export function parseDockerfile(text) {
  const logicalLines = text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replace(/\\\n/g, ' ')
    .split('\n');
  return logicalLines
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const match = /^([A-Z]+)\s+(.+)$/.exec(line.trim());
      if (match?.[1] === undefined || match[2] === undefined)
        throw new Error(`Cannot read this Dockerfile line: ${line}`);
      return { keyword: match[1], rest: match[2] };
    });
}

/**
 * The words of an instruction in its exec form: `["node", "x"]`.
 * @param {string} rest
 * @returns {string[]}
 */
export function execForm(rest) {
  const words = JSON.parse(rest);
  if (!Array.isArray(words)) throw new Error(`Not the exec form: ${rest}`);
  return words.map(String);
}

/**
 * Whether a path of the build context is left out, by the text of .dockerignore: the last pattern that matches decides.
 * Patterns are `*`, paths, `**` + `/*.ending`, and any of them after `!`.
 * @param {string} ignoreText
 * @param {string} path with forward slashes
 */
export function isIgnored(ignoreText, path) {
  let ignored = false;
  for (const line of ignoreText.split('\n').filter((text) => text.trim() !== '' && !text.startsWith('#'))) {
    const pattern = line.replace(/^!/, '').trim();
    const matches =
      pattern === '*' ||
      path === pattern ||
      path.startsWith(`${pattern}/`) ||
      (pattern.startsWith('**/*') && path.endsWith(pattern.slice(4)));
    if (matches) ignored = !line.startsWith('!');
  }
  return ignored;
}
