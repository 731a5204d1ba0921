import { describe, expect, it } from 'vitest';
import { isAsExpected, readCommands, withOutputs } from './page.mjs';

const PAGE = `# One
\`\`\`console
$ echo a
a
$ echo \\
  b
b
\`\`\`
## Two
\`\`\`sh
$ not this
\`\`\`
\`\`\`console
$ true
\`\`\`
`;

describe('a page of commands', () => {
  it('is read with sections, lines of commands and what they print', () => {
    expect(readCommands(PAGE)).toEqual([
      { section: 'One', line: 3, command: 'echo a', expected: ['a'] },
      { section: 'One', line: 5, command: 'echo \\\n  b', expected: ['b'] },
      { section: 'Two', line: 14, command: 'true', expected: [] },
    ]);
  });

  it('gets other outputs, and stays as it is otherwise', () => {
    const written = withOutputs(PAGE, [['x', 'y'], [], ['z']]);
    expect(readCommands(written).map(({ expected }) => expected)).toEqual([['x', 'y'], [], ['z']]);
    expect(withOutputs(written, [['a'], ['b'], []])).toBe(PAGE);
  });

  it.each([
    [['a', 'b'], ['a', 'b'], true],
    [['a'], ['a', 'b'], false],
    [['a', 'b'], ['a'], false],
    [['took … ms'], ['took 12 ms'], true],
    [['took … ms'], ['took 12 s'], false],
    [['a.c'], ['abc'], false],
    [['…'], [], true],
    [['a', '…', 'd'], ['a', 'b', 'c', 'd'], true],
    [['a', '…', 'd'], ['a', 'b', 'c'], false],
    [[], ['surprise'], false],
  ])('%j is met by %j: %s', (expected, printed, verdict) => {
    expect(isAsExpected(expected, printed)).toBe(verdict);
  });
});
