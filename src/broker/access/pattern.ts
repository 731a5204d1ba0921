/**
 * Regular expressions from outside, as RabbitMQ searches them in names and routing keys, in time linear in the text: nobody may hang a node by the
 * expression that he sets. `re2js` does the work; common shapes are compared without it.
 *
 * RE2 has no look-ahead. One at the very beginning (`^(?!amq\.).*`), which is how names are excepted, is taken apart into expressions of its own.
 */
import { RE2JS, RE2JSException } from 're2js';
import { CodedError } from '../../base/errors.js';
import { utf8Size } from '../../base/utf8.js';
import { PATTERN_BYTES_MAX, PATTERN_PROGRAM_MAX, PATTERNS_KEPT } from './limits.js';

/** An expression cannot be run; the message says why. */
export class PatternError extends CodedError<'invalid'> {}

/** A compiled expression. */
export interface Pattern {
  /** Whether it is found anywhere in `text`. */
  test(text: string): boolean;
}

const EVERYTHING: Pattern = { test: () => true };
/** Characters that mean themselves, or stand behind a backslash to do so. */
const LITERAL = String.raw`(?:[\w\-/:@~#%&=,;!'"<> ]|\\[.\-/+*?$^()[\]{}|\\@#])*`;
const LITERAL_SHAPE = new RegExp(`^(\\^?)(${LITERAL})(\\.\\*)?(\\$?)$`);

/** Compiled expressions by their text, the least recently used first. */
const kept = new Map<string, Pattern>();

/** Compiles an expression, or finds it among those that are kept. @throws PatternError */
export function pattern(text: string): Pattern {
  const known = kept.get(text);
  if (known !== undefined) {
    // Most uses come from who keeps the result: this is seldom.
    kept.delete(text);
    kept.set(text, known);
    return known;
  }
  const compiled = compile(text);
  kept.set(text, compiled);
  if (kept.size > PATTERNS_KEPT) for (const [oldest] of kept) return evict(oldest, compiled);
  return compiled;
}

function evict(oldest: string, compiled: Pattern): Pattern {
  kept.delete(oldest);
  return compiled;
}

/** As `pattern`, for permissions: an empty one is for the empty name alone. @throws PatternError */
export function permissionPattern(text: string): Pattern {
  return pattern(text === '' ? '^$' : text);
}

/** Escapes what has a meaning in expressions. */
export function quotePattern(text: string): string {
  return RE2JS.quote(text);
}

function compile(text: string): Pattern {
  const size = utf8Size(text);
  if (size > PATTERN_BYTES_MAX) {
    throw new PatternError('invalid', `it has ${size} bytes, the limit is ${PATTERN_BYTES_MAX}`);
  }
  const simple = simplePattern(text);
  if (simple !== undefined) return simple;
  const { conditions, rest } = leadingConditions(text);
  const body = compileLinear(rest);
  if (conditions.length === 0) return body;
  const parts = conditions.map(({ expression, wanted }) => ({ inner: compileLinear(`^(?:${expression})`), wanted }));
  return { test: (name) => parts.every(({ inner, wanted }) => inner.test(name) === wanted) && body.test(name) };
}

/** A literal with anchors and `.*` behind it; undefined for all others. */
function simplePattern(text: string): Pattern | undefined {
  const match = LITERAL_SHAPE.exec(text);
  if (match === null) return undefined;
  const [, start, escaped = '', rest, end] = match;
  const literal = escaped.replaceAll(/\\(.)/g, '$1');
  if (start === '') {
    if (end === '') return literal === '' ? EVERYTHING : { test: (name) => name.includes(literal) };
    return rest === undefined ? { test: (name) => name.endsWith(literal) } : undefined;
  }
  if (end === '') return literal === '' ? EVERYTHING : { test: (name) => name.startsWith(literal) };
  if (rest === undefined) return { test: (name) => name === literal };
  // The dot takes anything but the end of a line.
  return { test: (name) => name.startsWith(literal) && !name.includes('\n', literal.length) };
}

function compileLinear(text: string): Pattern {
  const size = unfoldedSize(text);
  if (size > PATTERN_PROGRAM_MAX) {
    throw new PatternError('invalid', `its repetitions unfold to ${size} steps, the limit is ${PATTERN_PROGRAM_MAX}`);
  }
  try {
    // PCRE's \Z is the end of the text, or before a line end there.
    const compiled = RE2JS.compile(text.replaceAll(String.raw`\Z`, String.raw`\z`));
    return { test: (name) => compiled.test(name) };
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    throw new PatternError('invalid', error.message, error);
  }
}

interface Condition {
  readonly expression: string;
  readonly wanted: boolean;
}

/** Takes `(?!…)` and `(?=…)` behind a leading `^` off. With an alternative behind them the anchor would be for the first one only: then nothing is taken. */
function leadingConditions(text: string): { readonly conditions: readonly Condition[]; readonly rest: string } {
  const conditions: Condition[] = [];
  let at = 1;
  while (text.startsWith('^') && (text.startsWith('(?!', at) || text.startsWith('(?=', at))) {
    const end = closingAt(text, at);
    if (end < 0) break;
    conditions.push({ expression: text.slice(at + 3, end), wanted: text[at + 2] === '=' });
    at = end + 1;
  }
  const rest = `^${text.slice(at)}`;
  return conditions.length === 0 || hasAlternative(rest) ? { conditions: [], rest: text } : { conditions, rest };
}

/** Where the group that opens at `from` closes; -1 when it does not. */
function closingAt(text: string, from: number): number {
  let depth = 0;
  for (const { at, char } of syntax(text, from)) {
    if (char === '(') depth++;
    else if (char === ')' && --depth === 0) return at;
  }
  return -1;
}

/** Whether there is a `|` outside of all groups. */
function hasAlternative(text: string): boolean {
  let depth = 0;
  for (const { char } of syntax(text, 0)) {
    if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === '|' && depth === 0) return true;
  }
  return false;
}

/** The characters of an expression that have a meaning where they stand: none that is escaped; a class counts as one `[`. */
function* syntax(text: string, from: number): Iterable<{ readonly at: number; readonly char: string }> {
  for (let at = from; at < text.length; at++) {
    const char = text[at]!;
    yield { at, char: char === '\\' ? 'escape' : char };
    if (char === '\\') at++;
    else if (char === '[') at = classEnd(text, at);
  }
}

/** The last character of the class that opens at `from`. */
function classEnd(text: string, from: number): number {
  let at = from + 1;
  if (text[at] === '^') at++;
  // A bracket at the beginning of a class means itself.
  if (text[at] === ']') at++;
  for (; at < text.length && text[at] !== ']'; at++) {
    if (text[at] === '\\') at++;
    else if (text.startsWith('[:', at)) at = Math.max(at, text.indexOf(':]', at) + 1);
  }
  return at;
}

const REPETITION = /\{(\d+)(?:,(\d*))?\}/y;

/** About how many steps an expression has once its counted repetitions are written out. */
function unfoldedSize(text: string): number {
  const outer: { size: number }[] = [];
  let group = { size: 0 };
  let last = 0;
  for (const { at, char } of syntax(text, 0)) {
    if (char === '(') {
      outer.push(group);
      group = { size: 0 };
    } else if (char === ')') {
      last = group.size + 2;
      group = outer.pop() ?? { size: 0 };
      group.size += last;
    } else if (char === '{') {
      REPETITION.lastIndex = at;
      const times = REPETITION.exec(text);
      if (times === null) continue;
      const most = Math.max(Number(times[1]), Number(times[2] || times[1]), 1);
      group.size += last * (most - 1);
      last *= most;
      if (group.size > Number.MAX_SAFE_INTEGER / 2) return group.size;
    } else {
      last = 1;
      group.size++;
    }
  }
  return outer.reduce((sum, { size }) => sum + size, group.size);
}
