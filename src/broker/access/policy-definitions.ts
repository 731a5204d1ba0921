/** What the definition of a policy may say: RabbitMQ's keys, its checks and its sentences (rabbit_policies.erl). */
import { ageMs } from '../queue-arguments.js';
import type { JsonObject, JsonValue } from './model.js';

type Check = (value: JsonValue) => boolean;

const MAX_TTL_MS = 315_360_000_000;

const text: Check = (value) => typeof value === 'string' && Buffer.byteLength(value) <= 255;
const anything: Check = () => true;

function count(least: number, most: number = Number.MAX_SAFE_INTEGER): Check {
  return (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

function oneOf(...values: readonly JsonValue[]): Check {
  return (value) => values.includes(value);
}

/** By key: what may stand there, and what RabbitMQ calls it when it may not. */
const KEYS: ReadonlyMap<string, readonly [check: Check, sentence: string]> = new Map([
  ['alternate-exchange', [text, 'alternate exchange name']],
  ['consumer-timeout', [count(0), 'consumer timeout']],
  ['dead-letter-exchange', [text, 'dead letter exchange name']],
  ['dead-letter-routing-key', [text, 'dead letter routing key']],
  ['dead-letter-strategy', [oneOf('at-most-once', 'at-least-once'), 'dead letter strategy']],
  ['message-ttl', [count(0, MAX_TTL_MS), 'message TTL']],
  ['expires', [count(1, MAX_TTL_MS), 'queue expiry']],
  ['max-length', [count(0), 'maximum length']],
  ['max-length-bytes', [count(0), 'maximum length in bytes']],
  ['max-in-memory-length', [count(0), 'maximum memory in bytes']],
  ['max-in-memory-bytes', [count(0), 'maximum memory in bytes']],
  ['queue-mode', [oneOf('default', 'lazy'), 'queue-mode value']],
  ['queue-version', [oneOf(1, 2), 'queue-version value']],
  ['overflow', [oneOf('drop-head', 'reject-publish', 'reject-publish-dlx'), 'overflow value']],
  ['delivery-limit', [count(-1), 'delivery limit']],
  ['max-age', [(value) => typeof value === 'string' && ageMs(value) !== undefined, 'max age']],
  ['stream-max-segment-size-bytes', [count(0), 'segment size']],
  ['stream-filter-size-bytes', [count(16, 255), 'filter size']],
  [
    'queue-leader-locator',
    [oneOf('client-local', 'balanced', 'random', 'least-leaders'), 'queue leader locator value'],
  ],
  ['initial-cluster-size', [count(0), 'cluster size']],
  // Of clusters and plugins that are not here: kept for who brings them.
  ['queue-master-locator', [text, 'queue master locator']],
  ['ha-mode', [oneOf('all', 'exactly', 'nodes'), 'ha-mode value']],
  ['ha-params', [anything, '']],
  ['ha-sync-mode', [text, 'ha-sync-mode value']],
  ['ha-sync-batch-size', [count(1), 'ha-sync-batch-size value']],
  ['ha-promote-on-shutdown', [text, 'ha-promote-on-shutdown value']],
  ['ha-promote-on-failure', [text, 'ha-promote-on-failure value']],
  ['federation-upstream', [text, 'federation upstream name']],
  ['federation-upstream-set', [text, 'federation upstream set name']],
  ['federation-upstream-pattern', [text, 'federation upstream pattern']],
  ['target-group-size', [count(1), 'target group size']],
]);

const OPERATOR_KEYS: ReadonlySet<string> = new Set([
  'expires',
  'message-ttl',
  'max-length',
  'max-length-bytes',
  'max-in-memory-length',
  'max-in-memory-bytes',
  'delivery-limit',
  'overflow',
  'queue-version',
  'target-group-size',
  // RabbitMQ 3.10 lets operators mirror queues by policy.
  'ha-mode',
  'ha-params',
  'ha-sync-mode',
]);

/** What is wrong with a definition, in RabbitMQ's words; undefined when nothing is. */
export function wrongDefinition(definition: JsonObject, operator: boolean): string | undefined {
  const entries = Object.entries(definition);
  if (entries.length === 0) return 'no policy provided';
  for (const [key, value] of entries) {
    const known = KEYS.get(key);
    if (known !== undefined && !known[0](value)) return `${erlang(value)} is not a valid ${known[1]}`;
  }
  const unknown = entries.filter(([key]) => !(operator ? OPERATOR_KEYS : KEYS).has(key));
  if (unknown.length === 0) return undefined;
  const terms = unknown.map(([key, value]) => `{${erlang(key)},${erlang(value)}}`);
  return `[${terms.join(',')}] are not recognised policy settings`;
}

/** A value as Erlang prints it. */
function erlang(value: JsonValue): string {
  if (typeof value === 'string') return `<<"${value}">>`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(erlang).join(',')}]`;
  const fields = Object.entries(value as JsonObject).map(([key, field]) => `<<"${key}">> => ${erlang(field)}`);
  return `#{${fields.join(',')}}`;
}
