/**
 * Argument parsers: each takes the text of an option and returns its value, or throws commander's InvalidArgumentError, which names the option and the
 * text by itself.
 */
import { InvalidArgumentError } from 'commander';

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const BYTES: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    const upper = most === Number.MAX_SAFE_INTEGER ? 'up' : `to ${most}`;
    throw new InvalidArgumentError(`It must be a whole number from ${least} ${upper}.`);
  };
}

/** `500ms`, `10s`, `1.5h`, `7d` in milliseconds. A number without a unit is refused: seconds and milliseconds are mixed up too easily. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('It must be a number with a unit: 500ms, 10s, 5m, 1h, 7d, 2w.');
  return Math.round(Number(match[1]) * MILLISECONDS[match[2]!]!);
}

/** A duration above zero: a time limit of nothing could only ever fail. */
export function timeLimit(text: string): number {
  const limitMs = duration(text);
  // Timers hold 31 bits; a longer one would fire at once.
  if (limitMs < 1 || limitMs >= 2 ** 31) throw new InvalidArgumentError('It must be from 1ms to 24d.');
  return limitMs;
}

/** A duration in milliseconds, or -1 for `forever`. */
export function durationOrForever(text: string): number {
  return text === 'forever' ? -1 : duration(text);
}

/** `4096`, `64k`, `16MiB`, `1GB` in bytes; all units count in 1,024. */
export function byteSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text);
  if (match === null) throw new InvalidArgumentError('It must be a size: 4096, 64k, 16MiB, 1GiB.');
  return Math.round(Number(match[1]) * BYTES[match[2]!.toLowerCase()]!);
}

/** A size in bytes, or -1 for `unlimited`. */
export function byteSizeOrUnlimited(text: string): number {
  return text === 'unlimited' ? -1 : byteSize(text);
}

/** Where reading starts. `ago` forms are resolved against the clock when they are parsed. */
export type StartPosition =
  | { readonly at: 'beginning' | 'end' | 'committed' }
  | { readonly at: 'offset'; readonly offset: number }
  | { readonly at: 'last'; readonly count: number }
  | { readonly at: 'timestamp'; readonly timestampMs: number };

/** `beginning`, `end`, an offset, `-100` (the last hundred of each partition), `@` with a time or a duration ago. */
export function startPosition(text: string, nowMs: number = Date.now()): StartPosition {
  if (text === 'beginning' || text === 'end') return { at: text };
  if (/^\d+$/.test(text)) return { at: 'offset', offset: Number(text) };
  if (/^-\d+$/.test(text)) return { at: 'last', count: -Number(text) };
  if (text.startsWith('@')) return { at: 'timestamp', timestampMs: pointInTime(text.slice(1), nowMs) };
  throw new InvalidArgumentError(
    'It must be beginning, end, an offset, -100 for the last 100 of each partition, @1h for an hour ago, or @ and a date.',
  );
}

function pointInTime(text: string, nowMs: number): number {
  if (/^\d+(\.\d+)?(ms|s|m|h|d|w)$/.test(text)) return Math.max(0, nowMs - duration(text));
  const timestampMs = /^\d{11,}$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(timestampMs) || timestampMs < 0) {
    throw new InvalidArgumentError(
      'After @ comes a duration (1h), a date (2026-01-31T12:00:00Z), or milliseconds since 1970.',
    );
  }
  return timestampMs;
}

/** `1,2,5` and `0-3` as ascending numbers without repeats. */
export function partitionList(text: string): number[] {
  const partitions = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < first)
      throw new InvalidArgumentError('It must be partitions such as 0 or 0,2 or 0-3.');
    for (let partition = first; partition <= last; partition += 1) partitions.add(partition);
  }
  return [...partitions].sort((a, b) => a - b);
}

/** Adds the header `name=value` to those given before: the option may be repeated. */
export function header(
  text: string,
  before: readonly (readonly [string, Uint8Array])[] = [],
): (readonly [string, Uint8Array])[] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be name=value.');
  return [...before, [text.slice(0, at), Buffer.from(text.slice(at + 1))]];
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' };

/** Text in which `\n`, `\t`, `\r`, `\0`, `\\` and `\x1f` stand for what a shell makes hard to type. */
export function escapedText(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|.)/g, (whole, code: string) => {
    if (code.startsWith('x') && code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    const replacement = ESCAPES[code];
    if (replacement === undefined) {
      throw new InvalidArgumentError(`${whole} is no escape; there are \\n, \\t, \\r, \\0, \\\\ and \\xNN.`);
    }
    return replacement;
  });
}

/** As escapedText, but not empty: for what separates things. */
export function separator(text: string): string {
  const unescaped = escapedText(text);
  if (unescaped === '') throw new InvalidArgumentError('It must not be empty.');
  return unescaped;
}
