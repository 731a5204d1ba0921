/** A page whose `console` blocks hold commands and what they print: how it is read, compared and written anew. */

/** Stands for anything within a line; a line of its own for any lines. */
export const ANYTHING = '…';

/**
 * The commands of a page in their order, each with the section that it stands in and the lines that it is to print. A command begins with `$ ` and
 * goes on over lines that end with a backslash.
 *
 * @param {string} text
 * @returns {{ section: string, line: number, command: string, expected: string[] }[]}
 */
export function readCommands(text) {
  /** @type {{ section: string, line: number, command: string, expected: string[] }[]} */
  const commands = [];
  let section = '';
  let isInside = false;
  let isOpen = false;
  for (const [index, line] of text.split('\n').entries()) {
    if (line.startsWith('```')) {
      isInside = line === '```console';
      isOpen = false;
    } else if (!isInside) {
      if (line.startsWith('#')) section = line.replace(/^#+ /, '');
    } else if (isOpen || line.startsWith('$ ')) {
      const open = isOpen ? commands.at(-1) : undefined;
      if (open !== undefined) open.command += `\n${line}`;
      else commands.push({ section, line: index + 1, command: line.slice(2), expected: [] });
      isOpen = line.endsWith('\\');
    } else commands.at(-1)?.expected.push(line);
  }
  return commands;
}

/**
 * Whether lines are as they are to be, with ANYTHING in the expected ones.
 *
 * @param {readonly string[]} expected
 * @param {readonly string[]} printed
 * @returns {boolean}
 */
export function isAsExpected(expected, printed) {
  const [first, ...rest] = expected;
  if (first === undefined) return printed.length === 0;
  if (first === ANYTHING) {
    for (let skipped = 0; skipped <= printed.length; skipped += 1) {
      if (isAsExpected(rest, printed.slice(skipped))) return true;
    }
    return false;
  }
  const [line, ...others] = printed;
  return line !== undefined && patternOf(first).test(line) && isAsExpected(rest, others);
}

/** @param {string} line */
function patternOf(line) {
  const parts = line.split(ANYTHING).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

/**
 * The page with other lines behind its commands: `printed` has those of each, in their order.
 *
 * @param {string} text
 * @param {readonly (readonly string[])[]} printed
 */
export function withOutputs(text, printed) {
  /** @type {string[]} */
  const lines = [];
  let next = 0;
  let isInside = false;
  let isOpen = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('```')) {
      isInside = line === '```console';
      lines.push(line);
    } else if (!isInside) lines.push(line);
    else if (isOpen || line.startsWith('$ ')) {
      lines.push(line);
      isOpen = line.endsWith('\\');
      if (!isOpen) lines.push(...(printed[next++] ?? []));
    }
  }
  return lines.join('\n');
}
