import type { ChannelIndex, Step } from '../operations.js';
import type { Random } from '../random.js';
import type { Table } from '../wire/fields.js';
import type { Fields } from '../wire/methods.js';

/** What the sequence has declared so far, as far as the generator knows. */
export interface World {
  readonly queues: Map<string, Fields>;
  /** Types by name. */
  readonly exchanges: Map<string, string>;
}

const topicPatterns = [
  'k1',
  'k1.*',
  '*.k2',
  '#',
  'k1.#',
  '#.k2',
  '*',
  'k1.#.k3',
  '#.#',
  '*.*',
  '~k',
  '',
  'k1..k2',
] as const;

/** An operation on exchanges: mostly bindings from `source`, or from any exchange that there is. */
export function exchangeStep(random: Random, world: World, channel: ChannelIndex, source?: string): Step {
  const known = [...world.exchanges.keys()];
  const from =
    source ??
    (known.length === 0 || random.chance(0.1) ? random.pick(['amq.direct', 'amq.topic']) : random.pick(known));
  const type = world.exchanges.get(from) ?? from.slice('amq.'.length);
  const routingKey = from.startsWith('amq.') ? '~k' : keyFor(random, type);
  const table = type === 'headers' ? headersMatch(random) : random.chance(0.05) ? { any: 'argument' } : {};
  const queue = random.pick([...world.queues.keys(), '~q0']);
  return random.weighted<() => Step>([
    [12, () => ({ channel, method: 'queue.bind', fields: { queue, exchange: from, routingKey, arguments: table } })],
    [
      source === undefined ? 4 : 0,
      () => ({ channel, method: 'queue.unbind', fields: { queue, exchange: from, routingKey, arguments: table } }),
    ],
    [
      2,
      () => ({
        channel,
        method: 'exchange.bind',
        fields: { destination: random.pick(['~x0', '~x1']), source: from, routingKey, arguments: table },
      }),
    ],
    [
      source === undefined ? 1 : 0,
      () => ({
        channel,
        method: 'exchange.unbind',
        fields: { destination: random.pick(['~x0', '~x1']), source: from, routingKey, arguments: table },
      }),
    ],
    [
      source === undefined ? 2 : 0,
      () => ({
        channel,
        method: 'exchange.delete',
        fields: { exchange: random.pick(['~x0', '~x1']), ifUnused: random.chance(0.4) },
      }),
    ],
  ])();
}

function keyFor(random: Random, type: string): string {
  return type === 'topic' ? random.pick(topicPatterns) : random.pick(['k1', 'k1.k2', '~k', '', '~q0']);
}

function headersMatch(random: Random): Table {
  const match = random.weighted([
    [3, undefined],
    [4, 'all'],
    [4, 'any'],
    [1, 'any-with-x'],
    [1, 'all-with-x'],
    [0.3, 'bogus'],
  ] as const);
  const entries: Table = random.pick<Table>([
    { h: 'text' },
    { h: 'text', a: 7 },
    { a: 7, b: true },
    { 'x-own': 'text' },
    { 'x-own': 'text', h: 'text' },
    { b: null },
    {},
    { a: { tag: 'l', value: '7' } },
  ]);
  return match === undefined ? entries : { 'x-match': match, ...entries };
}
