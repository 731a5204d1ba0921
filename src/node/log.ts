import { pino } from 'pino';
import type { NodeConfig } from './config.js';

/** Writes one line with fields. pino's loggers fit. */
export type LogLine = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** The node's one log. */
export interface NodeLog {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
  readonly fatal: LogLine;
}

function nowhere(): void {}

/** For nodes inside other programs, which did not ask for lines. */
export const silentLog: NodeLog = { debug: nowhere, info: nowhere, warn: nowhere, error: nowhere, fatal: nowhere };

/** Structured lines (JSON, one per event) on standard output, written at once: the last line before a death must not be lost. */
export function structuredLog(level: NodeConfig['logLevel']): NodeLog {
  const logger = pino({ level, base: { pid: process.pid } }, pino.destination({ dest: 1, sync: true }));
  const line =
    (name: keyof NodeLog): LogLine =>
    (fields, message) =>
      logger[name](fields, message);
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error'), fatal: line('fatal') };
}
