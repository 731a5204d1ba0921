import { InvalidArgumentError } from 'commander';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as parse from './arguments.js';

const refuses = (parser: (text: string) => unknown, ...texts: string[]) => {
  for (const text of texts) expect(() => parser(text), text).toThrow(InvalidArgumentError);
};

describe('numbers, durations and sizes', () => {
  it('takes whole numbers within their range only', () => {
    const port = parse.wholeNumber(1, 10);
    expect([port('1'), port('10')]).toEqual([1, 10]);
    refuses(port, '0', '11', '-1', '1.5', '', ' 1', '1e1', '0x1', 'two');
  });

  it('wants a unit on a duration', () => {
    expect(['500ms', '10s', '1.5h', '7d', '2w', '0s'].map(parse.duration)).toEqual([
      500, 10_000, 5_400_000, 604_800_000, 1_209_600_000, 0,
    ]);
    refuses(parse.duration, '10', 's', '-1s', '1 s', '1y', '');
    refuses(parse.timeLimit, '0s', '25d');
    expect(parse.durationOrForever('forever')).toBe(-1);
  });

  it('counts sizes in 1,024', () => {
    expect(['4096', '64k', '16MiB', '1GB', '1.5 m'].map(parse.byteSize)).toEqual([
      4096, 65_536, 16_777_216, 1_073_741_824, 1_572_864,
    ]);
    refuses(parse.byteSize, '', '-1', 'k', '1x', '1bb');
    expect(parse.byteSizeOrUnlimited('unlimited')).toBe(-1);
  });
});

describe('places and lists', () => {
  it('understands every way to say where reading starts', () => {
    const now = Date.parse('2026-03-01T12:00:00Z');
    expect(parse.startPosition('beginning')).toEqual({ at: 'beginning' });
    expect(parse.startPosition('17')).toEqual({ at: 'offset', offset: 17 });
    expect(parse.startPosition('-5')).toEqual({ at: 'last', count: 5 });
    expect(parse.startPosition('@1h', now)).toEqual({ at: 'timestamp', timestampMs: now - 3_600_000 });
    expect(parse.startPosition('@2026-03-01T12:00:00Z')).toEqual({ at: 'timestamp', timestampMs: now });
    expect(parse.startPosition('@1772366400000')).toEqual({ at: 'timestamp', timestampMs: 1_772_366_400_000 });
    refuses(parse.startPosition, '', 'begin', '@', '@soon', '1.5', '--1');
  });

  it('spreads ranges of partitions, in order and once each', () => {
    expect(parse.partitionList('0')).toEqual([0]);
    expect(parse.partitionList('3,0-2,1')).toEqual([0, 1, 2, 3]);
    refuses(parse.partitionList, '', '-1', '2-1', 'a', '0,', '999999');
  });

  it('collects headers, values with equals signs included', () => {
    const headers = parse.header('b=', parse.header('a=1=2'));
    expect(headers.map(([name, value]) => [name, value.toString()])).toEqual([
      ['a', '1=2'],
      ['b', ''],
    ]);
    refuses(parse.header, 'a', '=1', '');
  });

  it('replaces escapes, and refuses those that it does not know', () => {
    expect(parse.escapedText('a\\tb\\n\\x1f\\0\\\\n')).toBe('a\tb\n\x1f\0\\n');
    refuses(parse.escapedText, '\\q', '\\x1');
    refuses(parse.separator, '');
  });

  it('gives text without backslashes back unchanged', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('\\')),
        (text) => parse.escapedText(text) === text,
      ),
    );
  });
});
