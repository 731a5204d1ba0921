import { SHORT_TTL_MS } from '../limits.js';
import type { Random } from '../random.js';
import type { Table, Value } from '../wire/fields.js';
import type { Properties } from '../wire/methods.js';

/** Kinds of sequences: each draws some operations more often than others, so that short sequences meet what belongs together. */
export type Profile =
  | 'plain'
  | 'routing'
  | 'consuming'
  | 'expiring'
  | 'dead-letters'
  | 'lengths'
  | 'priorities'
  | 'transactions'
  | 'confirms'
  | 'declarations'
  | 'errors'
  | 'connections'
  | 'eager'
  | 'quorum';

const integerTags = ['b', 'B', 's', 'u', 'I', 'i', 'l'] as const;

/** A small number in any of the types that clients use. */
export function integer(random: Random, value: number): Value {
  if (random.chance(0.7)) return value;
  const tag = random.pick(integerTags);
  return tag === 'I' ? value : { tag, value: String(value) };
}

const wrong: readonly (readonly [string, Value])[] = [
  ['x-message-ttl', -1],
  ['x-message-ttl', '1000'],
  ['x-message-ttl', { tag: 'd', value: '1.5' }],
  ['x-message-ttl', { tag: 'l', value: '4294967296000' }],
  ['x-expires', 0],
  ['x-expires', -1],
  ['x-expires', 'soon'],
  ['x-max-length', -1],
  ['x-max-length', '5'],
  ['x-max-length', true],
  ['x-max-length-bytes', -3],
  ['x-max-length-bytes', { tag: 'd', value: '3' }],
  ['x-overflow', 'bogus'],
  ['x-overflow', 7],
  ['x-dead-letter-exchange', 5],
  ['x-dead-letter-routing-key', 'alone'],
  ['x-dead-letter-routing-key', 9],
  ['x-max-priority', -1],
  ['x-max-priority', 256],
  ['x-max-priority', 'high'],
  ['x-single-active-consumer', 'yes'],
  ['x-single-active-consumer', 1],
  ['x-queue-mode', 'weird'],
  ['x-queue-mode', 3],
  ['x-queue-type', 'bogus'],
  ['x-queue-type', 5],
  ['x-unheard-of', 5],
  ['x-delivery-limit', 3],
  ['x-dead-letter-strategy', 'at-most-once'],
  ['x-max-length', null],
  ['x-message-ttl', { nested: 1 }],
  ['x-dead-letter-exchange', null],
];

function expiring(random: Random): Table {
  const choices: readonly (readonly [number, Table])[] = [
    [4, { 'x-message-ttl': integer(random, SHORT_TTL_MS < 256 ? SHORT_TTL_MS : 60_000) }],
    [6, { 'x-message-ttl': SHORT_TTL_MS }],
    [3, { 'x-message-ttl': 0 }],
    [2, { 'x-expires': SHORT_TTL_MS }],
    [2, {}],
  ];
  return random.weighted(choices);
}

function deadLetters(random: Random): Table {
  const exchange = random.weighted([
    [5, ''],
    [5, '~x0'],
    [1, '~missing'],
    [1, 'amq.fanout~'],
  ] as const);
  const key = random.pick(['~q0', '~q1', '~q2', '~q1', 'k1', '~nowhere'] as const);
  const base: Table = { 'x-dead-letter-exchange': exchange };
  return exchange === '' || random.chance(0.4) ? { ...base, 'x-dead-letter-routing-key': key } : base;
}

function lengths(random: Random): Table {
  const limit: Table = random.chance(0.7)
    ? { 'x-max-length': integer(random, random.below(4)) }
    : { 'x-max-length-bytes': integer(random, random.pick([0, 4, 8, 20])) };
  const overflow = random.pick([undefined, 'drop-head', 'reject-publish', 'reject-publish-dlx'] as const);
  return overflow === undefined ? limit : { ...limit, 'x-overflow': overflow };
}

/** Arguments of a replicated queue: fewer are known to it, and it counts deliveries. */
function quorumArguments(random: Random): Table {
  let table: Table = { 'x-queue-type': 'quorum' };
  const add = (probability: number, more: () => Table) => {
    if (random.chance(probability)) table = { ...table, ...more() };
  };
  add(0.6, () => ({ 'x-delivery-limit': integer(random, random.below(3)) }));
  add(0.6, () => deadLetters(random));
  add(0.1, () => ({ 'x-message-ttl': 60_000 }));
  add(0.1, () => ({ 'x-max-length': 1 + random.below(4) }));
  add(0.1, () => ({ 'x-single-active-consumer': true }));
  add(0.06, () => Object.fromEntries([random.pick(wrong)]));
  return table;
}

/** Arguments of a queue that fit the kind of sequence. */
export function queueArguments(random: Random, profile: Profile): Table {
  if (profile === 'quorum' && random.chance(0.85)) return quorumArguments(random);
  let table: Table = {};
  const add = (probability: number, more: () => Table) => {
    if (random.chance(probability)) table = { ...table, ...more() };
  };
  const isExpiring = profile === 'expiring';
  add(isExpiring ? 0.7 : 0, () => expiring(random));
  add(profile === 'dead-letters' ? 0.8 : isExpiring ? 0.5 : profile === 'eager' ? 0 : 0.1, () => deadLetters(random));
  add(profile === 'lengths' ? 0.8 : 0.08, () => lengths(random));
  add(profile === 'priorities' ? 0.8 : 0.03, () => ({
    'x-max-priority': integer(random, random.pick([0, 1, 2, 5, 10, 100])),
  }));
  add(profile === 'consuming' ? 0.15 : 0.02, () => ({ 'x-single-active-consumer': random.chance(0.9) }));
  add(0.04, () => ({ 'x-queue-type': 'classic' }));
  add(0.03, () => ({ 'x-queue-mode': random.pick(['lazy', 'default']) }));
  add(profile === 'declarations' ? 0.35 : profile === 'errors' ? 0.15 : 0, () =>
    Object.fromEntries([random.pick(wrong)]),
  );
  return table;
}

const headerValues: readonly Value[] = [
  'text',
  '',
  7,
  -7,
  true,
  false,
  null,
  { tag: 'b', value: '-5' },
  { tag: 's', value: '-300' },
  { tag: 'l', value: '9007199254740993' },
  { tag: 'f', value: '1.5' },
  { tag: 'd', value: '2.25' },
  { tag: 'T', value: '1700000000' },
  { tag: 'D', value: '314e-2' },
  { tag: 'x', value: 'bytes' },
  ['one', 2, true],
  { inner: 'table', deep: { deeper: 1 } },
  {},
  [],
];

function headers(random: Random, profile: Profile): Table {
  const table: Record<string, Value> = {};
  const count = random.below(4);
  for (let index = 0; index < count; index += 1)
    table[random.pick(['h', 'a', 'b', 'x-own'])] = random.pick(headerValues);
  if (profile === 'routing' && random.chance(0.3)) {
    table[random.pick(['CC', 'BCC'])] = random.weighted<Value>([
      [6, [random.pick(['~q0', '~q1', 'k1', '~nowhere'])]],
      [2, ['~q1', '~q2']],
      [1, '~q1'],
      [1, []],
      [1, [5]],
    ]);
  }
  if (profile === 'dead-letters' && random.chance(0.05))
    table['x-death'] = random.pick<Value>(['forged', [], [{ queue: '~q0' }]]);
  return table;
}

/** Properties of a message. */
export function properties(random: Random, profile: Profile): Properties {
  const chosen: { -readonly [Name in keyof Properties]: Properties[Name] } = {};
  if (random.chance(0.3)) chosen.deliveryMode = random.pick([1, 2, 2]);
  if (random.chance(profile === 'routing' ? 0.6 : 0.2)) chosen.headers = headers(random, profile);
  if (random.chance(profile === 'priorities' ? 0.8 : 0.05)) chosen.priority = random.pick([0, 1, 2, 3, 5, 9, 10, 200]);
  if (profile === 'expiring' && random.chance(0.4))
    chosen.expiration = random.pick([String(SHORT_TTL_MS), '0', '60000']);
  if (profile === 'errors' && random.chance(0.15)) {
    chosen.expiration = random.pick(['', '-1', 'abc', '1.5', '4294967296000', ' 5', '5 ', '99999999999999999999']);
  }
  if (profile === 'errors' && random.chance(0.1)) chosen.userId = random.pick(['guest', 'other']);
  if (profile === 'errors' && random.chance(0.05)) chosen.replyTo = 'amq.rabbitmq.reply-to';
  else if (random.chance(0.05)) chosen.replyTo = '~q1';
  if (random.chance(0.1)) chosen.contentType = random.pick(['text/plain', '']);
  if (random.chance(0.05)) chosen.contentEncoding = 'gzip';
  if (random.chance(0.08)) chosen.correlationId = 'correlation';
  if (random.chance(0.08)) chosen.messageId = 'id-1';
  if (random.chance(0.08)) chosen.timestamp = '1700000001';
  if (random.chance(0.05)) chosen.type = 'kind';
  if (random.chance(0.05)) chosen.appId = 'app';
  if (random.chance(0.03)) chosen.clusterId = 'cluster';
  return chosen;
}
