/** A page whose `console` blocks hold commands and what they print: how it is read, compared and written anew. */

/** Stands for anything within a line; a line of its own for any lines. */
export const ANYTHING = '…';

/**
 * The commands of a page in their order, each with the section that it stands in and the lines that it is to print. A command begins with `$ ` and
 * goes on over lines that end with a backslash.
 */
export function readCommands(text) {
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
      if (isOpen) commands.at(-1).command += `\n${line}`;
      else commands.push({ section, line: index + 1, command: line.slice(2), expected: [] });
      isOpen = line.endsWith('\\');
    } else if (commands.length > 0) commands.at(-1).expected.push(line);
  }
  return commands;
}

/** Whether lines are as they are to be, with ANYTHING in the expected ones. */
export function isAsExpected(expected, printed) {
  const [first, ...rest] = expected;
  if (first === undefined) return printed.length === 0;
  if (first === ANYTHING) {
    for (let skipped = 0; skipped <= printed.length; skipped += 1) {
      if (isAsExpected(rest, printed.slice(skipped))) return true;
    }
    return false;
  }
  return printed.length > 0 && patternOf(first).test(printed[0]) && isAsExpected(rest, printed.slice(1));
}

function patternOf(line) {
  const parts = line.split(ANYTHING).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

/** The page with other lines behind its commands: `printed` has those of each, in their order. */
export function withOutputs(text, printed) {
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
