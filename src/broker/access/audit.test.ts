import { expect, test } from 'vitest';
import { SimulatedClock } from '../../io/clock/simulated-clock.js';
import { type AuditLine, AuditTrail } from './audit.js';
import { AUDIT_LINES_MAX, AUDIT_WINDOW_MS } from './limits.js';

function denial(user: string, reason = 'no permission'): AuditLine {
  const where = { address: '10.0.0.1', door: 'amqp', vhost: '/' } as const;
  return { audit: 'access', user, ...where, action: 'read', resource: "queue 'q'", verdict: 'denied', reason };
}

test('the same denial is told once, and then how often it came', () => {
  const clock = new SimulatedClock();
  const told: [string, number][] = [];
  const audit = new AuditTrail((line, repeated) => told.push([line.user, repeated]), clock, clock);
  for (let count = 0; count < 1_000; count++) audit.note(denial('ann'));
  audit.note(denial('bob'));
  expect(told).toEqual([
    ['ann', 0],
    ['bob', 0],
  ]);
  clock.advance(AUDIT_WINDOW_MS);
  expect(told.slice(2)).toEqual([['ann', 999]]);
  audit.note(denial('ann'));
  expect(told.slice(3)).toEqual([['ann', 0]]);
});

test('too many different ones are counted together, and texts are cut', () => {
  const clock = new SimulatedClock();
  const told: [AuditLine, number][] = [];
  const audit = new AuditTrail((line, repeated) => told.push([line, repeated]), clock, clock);
  for (let count = 0; count < AUDIT_LINES_MAX + 77; count++) audit.note(denial(`user ${count}`));
  expect(told.length).toBe(AUDIT_LINES_MAX);
  clock.advance(AUDIT_WINDOW_MS);
  expect(told.slice(AUDIT_LINES_MAX).map(([line, repeated]) => [line.resource, repeated])).toEqual([
    ['other denials', 77],
  ]);
  audit.note(denial('x'.repeat(10_000)));
  expect(told.at(-1)![0].user.length).toBeLessThan(400);
});

test('each change is told', () => {
  const clock = new SimulatedClock();
  const told: AuditLine[] = [];
  const audit = new AuditTrail((line) => told.push(line), clock, clock);
  for (let count = 0; count < 3; count++) audit.noteEach({ ...denial('ann'), audit: 'change', verdict: 'done' });
  expect(told.length).toBe(3);
});
