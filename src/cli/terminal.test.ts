import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { humanLog, logLine } from './human-log.js';
import { Output } from './output.js';
import { drawProgress, noProgress, progressLine } from './progress.js';
import { paintFor, type Terminal, wantsColour } from './terminal.js';
import { firstOf, sleepUntil } from './waiting.js';

/** A stream that says it is a terminal of so many columns. */
const tty = (columns = 80) => Object.assign(new PassThrough(), { isTTY: true, columns });
const textOf = (stream: PassThrough) => String(stream.read() ?? '');

function terminalOf(stdout: PassThrough, stderr: PassThrough): Terminal {
  return { stdin: new PassThrough(), stdout, stderr, environment: {}, interrupted: new AbortController().signal };
}

describe('colours', () => {
  it('are for terminals, unless the environment says otherwise', () => {
    const pipe = new PassThrough();
    expect(wantsColour(tty(), {})).toBe(true);
    expect(wantsColour(pipe, {})).toBe(false);
    expect(wantsColour(tty(), { NO_COLOR: '1' })).toBe(false);
    expect(wantsColour(tty(), { NO_COLOR: '' })).toBe(true);
    expect(wantsColour(tty(), { TERM: 'dumb' })).toBe(false);
    expect(wantsColour(pipe, { FORCE_COLOR: '1' })).toBe(true);
    expect(wantsColour(tty(), { FORCE_COLOR: '0' })).toBe(false);
    expect(paintFor(tty(), {})('red', 'x')).toBe('\u001b[31mx\u001b[39m');
  });
});

describe('progress', () => {
  it('says how far, how fast and how long still', () => {
    expect(progressLine({ verb: 'Read' }, 1500, 1000)).toBe('Read 1,500 · 1,500/s');
    expect(progressLine({ verb: 'Read', total: 4000 }, 1000, 1000)).toBe(
      'Read █████░░░░░░░░░░░░░░░ 25% · 1,000 of 4,000 · 1,000/s · 3 s left',
    );
    expect(progressLine({ verb: 'Read', total: 10 }, 10, 1000)).toContain('100%');
  });

  it('redraws seldom, within the width, and goes without a trace', () => {
    const stream = tty(20);
    let nowMs = 0;
    const progress = drawProgress(stream, { verb: 'Read', total: 1000 }, () => nowMs);
    progress.update(1);
    expect(textOf(stream)).toBe('');
    nowMs = 250;
    progress.update(500);
    expect(textOf(stream)).toBe('\rRead ██████████░░░…\u001b[K');
    progress.clear();
    progress.clear();
    expect(textOf(stream)).toBe('\r\u001b[K');
  });

  it('is drawn where somebody looks, and where it is forced', () => {
    const isDrawn = (
      stderr: PassThrough,
      options: { quiet?: boolean; progress?: boolean },
      stdout = new PassThrough(),
    ) => {
      return (
        new Output(terminalOf(stdout, stderr), { output: 'table', ...options }).progress({ verb: '' }, true) !==
        noProgress
      );
    };
    expect(isDrawn(tty(), {})).toBe(true);
    expect(isDrawn(new PassThrough(), {})).toBe(false);
    expect(isDrawn(tty(), { quiet: true })).toBe(false);
    expect(isDrawn(tty(), { progress: false })).toBe(false);
    expect(isDrawn(new PassThrough(), { progress: true })).toBe(true);
    expect(isDrawn(tty(), {}, tty())).toBe(false);
  });
});

describe('output', () => {
  it('prints a list as a table, as JSON, and as a line for each', async () => {
    const columns = [{ heading: 'N', cell: (row: { n: number }) => `<${row.n}>` }];
    const printed = async (format: 'table' | 'json' | 'ndjson', rows: { n: number }[]) => {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      await new Output(terminalOf(stdout, stderr), { output: format }).list(rows, columns, (row) => row, 'none');
      return [textOf(stdout), textOf(stderr)];
    };
    expect(await printed('table', [{ n: 1 }])).toEqual(['N\n<1>\n', '']);
    expect(await printed('table', [])).toEqual(['', 'none\n']);
    expect(await printed('json', [])).toEqual(['[]\n', '']);
    expect(await printed('ndjson', [{ n: 1 }, { n: 2 }])).toEqual(['{"n":1}\n{"n":2}\n', '']);
  });
});

describe('log lines for people', () => {
  const at = new Date(2026, 0, 2, 3, 4, 5);

  it('show time, level, message and fields, nothing that moves the cursor', () => {
    const line = logLine(at, 'warn', { shard: 1, file: 'a b', list: [1] }, 'Careful\u0007', (_, text) => text);
    expect(line).toBe('03:04:05 warn  Careful\\x07  shard=1 file="a b" list=[ 1 ]\n');
  });

  it('leave out what is below the level', () => {
    const stream = new PassThrough();
    const log = humanLog(stream, {}, 'warn');
    log.info({}, 'quiet');
    log.error({}, 'loud');
    humanLog(stream, {}, 'silent').fatal({}, 'never');
    expect(textOf(stream)).toMatch(/^\d\d:\d\d:\d\d error loud\n$/);
  });
});

describe('waiting', () => {
  it('returns what comes first, and lets the rest go on', async () => {
    const never = new Promise<string>(() => undefined);
    const { signal } = new AbortController();
    expect(await firstOf(Promise.resolve('value'), 1000, signal)).toBe('value');
    expect(await firstOf(never, 1, signal)).toBe('idle');
    const stop = new AbortController();
    const waiting = firstOf(never, undefined, stop.signal);
    stop.abort();
    expect(await waiting).toBe('aborted');
    const started = performance.now();
    await sleepUntil(started - 1, signal);
    await sleepUntil(started + 60_000, stop.signal);
    expect(performance.now() - started).toBeLessThan(30_000);
  });
});
