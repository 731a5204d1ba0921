import { inspect } from 'node:util';
import { printable } from './printable.js';
import { type Paint, paintFor, type TerminalStream } from './terminal.js';

/** Severities, the least severe first. */
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
type Level = (typeof LEVELS)[number];

const STYLES = { trace: 'dim', debug: 'dim', info: 'green', warn: 'yellow', error: 'red', fatal: 'red' } as const;

type LogLine = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** Log lines for somebody who looks at a terminal: time, level, message, fields. `level` may also be `silent`. */
export function humanLog(
  stream: TerminalStream,
  environment: Readonly<Record<string, string | undefined>>,
  level: string,
): Readonly<Record<'debug' | 'info' | 'warn' | 'error' | 'fatal', LogLine>> {
  const paint = paintFor(stream, environment);
  const least = (LEVELS as readonly string[]).indexOf(level);
  const line = (name: Level): LogLine => {
    if (least < 0 || LEVELS.indexOf(name) < least) return () => undefined;
    return (fields, message) => void stream.write(logLine(new Date(), name, fields, message, paint));
  };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error'), fatal: line('fatal') };
}

/** The text of one line, in local time. */
export function logLine(
  time: Date,
  level: Level,
  fields: Readonly<Record<string, unknown>>,
  message: string,
  paint: Paint,
): string {
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, '0'));
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${fieldText(value)}`);
  const tail = pairs.length === 0 ? '' : `  ${paint('dim', pairs.join(' '))}`;
  return `${paint('dim', clock.join(':'))} ${paint(STYLES[level], level.padEnd(5))} ${printable(message, '\n')}${tail}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value === 'string') return /^[\w./:@-]+$/.test(value) ? value : printable(JSON.stringify(value));
  return printable(inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true }));
}
