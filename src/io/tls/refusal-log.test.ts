import { expect, test } from 'vitest';
import { MAX_REFUSAL_LINES, REFUSAL_LOG_MS } from './limits.js';
import { RefusalLog } from './refusal-log.js';

test('one line per address and minute, and a bound on all; what was left out is counted', () => {
  const lines: string[] = [];
  let now = 5;
  const log = new RefusalLog(
    (line) => lines.push(line),
    () => now,
  );
  for (let count = 0; count < 10; count++) log.note('10.0.0.1', 'it speaks HTTP');
  expect(lines).toEqual(['Refused a connection from 10.0.0.1: it speaks HTTP']);
  for (let host = 0; host < 10_000; host++) log.note(`2001:db8::${host}`, 'x');
  expect(lines).toHaveLength(MAX_REFUSAL_LINES);
  now += REFUSAL_LOG_MS;
  log.note('10.0.0.1', 'it speaks AMQP');
  expect(lines.at(-1)).toMatch(/10\.0\.0\.1: it speaks AMQP \(and 99\d\d such connections more/);
});
