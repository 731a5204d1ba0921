import type { Incoming } from './wire/connection.js';
import type { Value } from './wire/fields.js';

/** What came in, as one line. */
export function shown({ name, fields, properties, body }: Incoming): string {
  const parts = [name, JSON.stringify(fields)];
  if (properties !== undefined) parts.push(JSON.stringify(withoutTimes(properties as Value)));
  if (body !== undefined) parts.push(body.length > 100 ? `${body.length} bytes` : JSON.stringify(body));
  return parts.join(' ');
}

/** Times that the broker has set itself differ at each run. */
function withoutTimes(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Value[]).map(withoutTimes);
  const entries = Object.entries(value).map(([name, item]): [string, Value] => {
    if (name === 'time' && isTimestamp(item)) return [name, 'some time'];
    return [name, withoutTimes(item as Value)];
  });
  return Object.fromEntries(entries);
}

function isTimestamp(value: Value): boolean {
  return typeof value === 'object' && value !== null && 'tag' in value && value.tag === 'T';
}

/** Lines in an order that does not depend on which channel was read first, with the names that the sequence itself uses. */
export function normalised(lines: readonly string[], replacements: readonly (readonly [string, string])[]): string {
  const [reply = '', ...events] = lines;
  // Within a kind the order on the wire counts; returns, deliveries and confirms of one step may come in any order among each other.
  const rank = (line: string) => line.replace(/^(channel \d+ \S+).*/s, '$1');
  const sorted = events.map((line, index) => ({ line, index, rank: rank(line) }));
  sorted.sort((left, right) => (left.rank === right.rank ? left.index - right.index : left.rank < right.rank ? -1 : 1));
  let text = [reply, ...sorted.map(({ line }) => line)].join('\n');
  for (const [name, symbol] of replacements) text = text.replaceAll(name, symbol);
  return text
    .replaceAll(/amq\.ctag-[A-Za-z0-9_-]{22}/g, 'amq.ctag-generated')
    .replaceAll(/amq\.gen-[A-Za-z0-9_-]{22}/g, 'amq.gen-generated')
    .replaceAll(/amq\.rabbitmq\.reply-to\.[^"\s]+/g, 'amq.rabbitmq.reply-to.generated');
}
