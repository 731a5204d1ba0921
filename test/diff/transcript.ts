import { OWN_HEADERS } from './known-differences.js';
import type { Incoming } from './wire/connection.js';
import type { Value } from './wire/fields.js';

/** What came in, as one line. */
export function shown({ name, fields, properties, body }: Incoming): string {
  const parts = [name, JSON.stringify(fields)];
  if (properties !== undefined) parts.push(JSON.stringify(comparable(properties as Value)));
  if (body !== undefined) parts.push(body.length > 100 ? `${body.length} bytes` : JSON.stringify(body));
  return parts.join(' ');
}

/** Times that the broker has set itself differ at each run; some headers differ on purpose. */
function comparable(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Value[]).map(comparable);
  const entries = Object.entries(value).flatMap(([name, item]): [string, Value][] => {
    if (OWN_HEADERS.has(name)) return [];
    if (name === 'time' && isTimestamp(item)) return [[name, 'some time']];
    const shown = comparable(item as Value);
    return [[name, name === 'x-death' ? deathsInOrder(shown) : shown]];
  });
  return Object.fromEntries(entries);
}

/** The newest death stays the first; RabbitMQ 3.10 turns the order of the others round with each new one. */
function deathsInOrder(deaths: Value): Value {
  if (!Array.isArray(deaths)) return deaths;
  const [newest, ...others] = deaths as readonly Value[];
  const text = (death: Value) => JSON.stringify(death);
  others.sort((left, right) => (text(left) < text(right) ? -1 : 1));
  return newest === undefined ? [] : [newest, ...others];
}

function isTimestamp(value: Value): boolean {
  return typeof value === 'object' && value !== null && 'tag' in value && value.tag === 'T';
}

/** Lines in an order that does not depend on which channel was read first, with the names that the sequence itself uses. */
export function normalised(lines: readonly string[], replacements: readonly (readonly [string, string])[]): string {
  const [reply = '', ...events] = lines;
  // Within a kind the order on the wire counts; returns, deliveries and confirms of one step may come in any order among each other.
  // The cancels of a queue that has gone come by tag at one broker and by age at the other.
  const rank = (line: string) => (/ basic\.cancel /.test(line) ? line : line.replace(/^(channel \d+ \S+).*/s, '$1'));
  const sorted = events.map((line, index) => ({ line, index, rank: rank(line) }));
  sorted.sort((left, right) => (left.rank === right.rank ? left.index - right.index : left.rank < right.rank ? -1 : 1));
  let text = [reply, ...sorted.map(({ line }) => line)].join('\n');
  for (const [name, symbol] of replacements) text = text.replaceAll(name, symbol);
  return text
    .replaceAll(/amq\.ctag-[A-Za-z0-9_-]{22}/g, 'amq.ctag-generated')
    .replaceAll(/amq\.gen-[A-Za-z0-9_-]{22}/g, 'amq.gen-generated')
    .replaceAll(/amq\.rabbitmq\.reply-to\.[^"\s]+/g, 'amq.rabbitmq.reply-to.generated');
}
