/**
 * Which policy is for a queue or an exchange, and what it makes of it: RabbitMQ's rules (rabbit_policy.erl, rabbit_policies.erl, the queue types'
 * `unsupported_policies`), on the image. docs/design/access.md lists the keys.
 */
import { encodeUtf8 } from '../../base/utf8.js';
import {
  decodeTable,
  encodeTable,
  type FieldTable,
  type FieldValue,
  integerOf,
  textOf,
} from '../../record/amqp/field-table.js';
import type { QueueType } from '../model.js';
import type { AccessImage } from './access-image.js';
import type { JsonObject, JsonValue, PolicyEntry } from './model.js';
import { type Pattern, pattern } from './pattern.js';

/** What a policy may be for. */
export type PolicySubject = QueueType | 'exchange';

/** The policies that are for something, and what they come to. */
export interface AppliedPolicies {
  readonly policy: PolicyEntry | undefined;
  readonly operatorPolicy: PolicyEntry | undefined;
  /** Both, merged by key. */
  readonly definition: JsonObject;
}

/** How a policy's value and the declaration's argument come together; `argument-or-policy`: the argument of a classic queue, the policy of a quorum queue. */
type Resolve = 'smaller' | 'argument' | 'argument-or-policy';

/** Keys that have an effect on queues, as `x-` arguments. */
const QUEUE_KEYS: ReadonlyMap<string, Resolve> = new Map<string, Resolve>([
  ['expires', 'smaller'],
  ['message-ttl', 'smaller'],
  ['max-length', 'smaller'],
  ['max-length-bytes', 'smaller'],
  ['delivery-limit', 'smaller'],
  ['consumer-timeout', 'smaller'],
  ['overflow', 'argument-or-policy'],
  ['dead-letter-exchange', 'argument'],
  ['dead-letter-routing-key', 'argument'],
  ['dead-letter-strategy', 'argument'],
  ['max-age', 'argument'],
]);

/** A policy with one of these keys is for no queue of the type (capabilities in rabbit_classic_queue.erl and its siblings, 3.10). */
const FOREIGN_KEYS: Readonly<Record<QueueType, ReadonlySet<string>>> = {
  classic: new Set([
    'max-age',
    'stream-max-segment-size-bytes',
    'queue-leader-locator',
    'initial-cluster-size',
    'delivery-limit',
    'dead-letter-strategy',
  ]),
  quorum: new Set([
    'max-priority',
    'queue-mode',
    'single-active-consumer',
    'ha-mode',
    'ha-params',
    'ha-sync-mode',
    'ha-promote-on-shutdown',
    'ha-promote-on-failure',
    'queue-master-locator',
    'max-age',
    'stream-max-segment-size-bytes',
    'initial-cluster-size',
  ]),
  stream: new Set([
    'expires',
    'message-ttl',
    'dead-letter-exchange',
    'dead-letter-routing-key',
    'max-length',
    'max-in-memory-length',
    'max-in-memory-bytes',
    'max-priority',
    'overflow',
    'queue-mode',
    'single-active-consumer',
    'delivery-limit',
    'ha-mode',
    'ha-params',
    'ha-sync-mode',
    'ha-promote-on-shutdown',
    'ha-promote-on-failure',
    'queue-master-locator',
    'dead-letter-strategy',
  ]),
};

const OF_TYPE: Readonly<Record<QueueType, PolicyEntry['applyTo']>> = {
  classic: 'classic_queues',
  quorum: 'quorum_queues',
  stream: 'streams',
};

const NEVER: Pattern = { test: () => false };

/** The policies that are for a queue or an exchange. */
export function policiesFor(
  image: AccessImage,
  vhost: string,
  subject: PolicySubject,
  name: string,
): AppliedPolicies | undefined {
  const policy = firstMatch(image.orderedPolicies(false, vhost), subject, name);
  const operatorPolicy = firstMatch(image.orderedPolicies(true, vhost), subject, name);
  if (policy === undefined && operatorPolicy === undefined) return undefined;
  const definition = mergedDefinition(policy?.definition ?? {}, operatorPolicy?.definition ?? {});
  return { policy, operatorPolicy, definition };
}

function firstMatch(policies: readonly PolicyEntry[], subject: PolicySubject, name: string): PolicyEntry | undefined {
  return policies.find((policy) => isFor(policy, subject) && patternOf(policy).test(name));
}

function isFor({ applyTo, definition }: PolicyEntry, subject: PolicySubject): boolean {
  if (subject === 'exchange') return applyTo === 'all' || applyTo === 'exchanges';
  if (applyTo !== 'all' && applyTo !== 'queues' && applyTo !== OF_TYPE[subject]) return false;
  const foreign = FOREIGN_KEYS[subject];
  return !Object.keys(definition).some((key) => foreign.has(key));
}

/** Patterns were compiled before they were set; one that an older version took and this one does not matches nothing. */
function patternOf(policy: PolicyEntry): Pattern {
  try {
    return pattern(policy.pattern);
  } catch {
    return NEVER;
  }
}

/** The operator's word counts where it is the stricter one. */
function mergedDefinition(definition: JsonObject, operators: JsonObject): JsonObject {
  const merged: Record<string, JsonValue> = { ...definition };
  for (const [key, value] of Object.entries(operators)) {
    const own = Object.hasOwn(definition, key) ? definition[key] : undefined;
    merged[key] = own === undefined ? value : mergedValue(own, value);
  }
  return merged;
}

function mergedValue(own: JsonValue, operators: JsonValue): JsonValue {
  // Only overflow and queue-version are not numbers, or are the operator's whatever they are.
  return typeof own === 'number' && typeof operators === 'number' ? stricter(own, operators) : operators;
}

/** The smaller one; a negative number is no limit. */
function stricter(left: number, right: number): number {
  return left < 0 || right < 0 ? Math.max(left, right) : Math.min(left, right);
}

/**
 * A queue's argument table with what policies make of it; undefined when they change nothing. `declared` is the table as AMQP encodes it, and was
 * checked when it was declared.
 */
export function effectiveArguments(
  image: AccessImage,
  vhost: string,
  name: string,
  declared: Uint8Array,
): Uint8Array | undefined {
  if (image.policyCount === 0) return undefined;
  const table = decodeTable(declared);
  const type = queueTypeOf(table);
  const policies = policiesFor(image, vhost, type, name);
  if (policies === undefined) return undefined;
  const effective = new Map(table);
  for (const [key, resolve] of QUEUE_KEYS) {
    const value = Object.hasOwn(policies.definition, key) ? policies.definition[key] : undefined;
    const argument = `x-${key}`;
    const field = value === undefined ? undefined : resolved(value, table.get(argument), resolve, type);
    if (field !== undefined) effective.set(argument, field);
  }
  const encoded = encodeTable(effective);
  return isSame(encoded, declared) ? undefined : encoded;
}

function queueTypeOf(table: FieldTable): QueueType {
  const type = textOf(table.get('x-queue-type'));
  return type === 'quorum' || type === 'stream' ? type : 'classic';
}

/** What takes an argument's place; undefined = the argument stays as it is. */
function resolved(
  value: JsonValue,
  argument: FieldValue | undefined,
  resolve: Resolve,
  type: QueueType,
): FieldValue | undefined {
  if (argument === undefined) return fieldOf(value);
  if (resolve === 'argument-or-policy') return type === 'quorum' ? fieldOf(value) : undefined;
  const declared = resolve === 'smaller' ? integerOf(argument) : undefined;
  if (declared === undefined || typeof value !== 'number') return undefined;
  return stricter(value, declared) === declared ? undefined : fieldOf(value);
}

function fieldOf(value: JsonValue): FieldValue | undefined {
  if (typeof value === 'string') return { type: 'longstr', value: encodeUtf8(value) };
  // Whole numbers: `checkDefinition` has seen to that.
  return typeof value === 'number' ? { type: 'int64', value: BigInt(value) } : undefined;
}

/** The alternate exchange that policies give to one declared without; undefined for none. */
export function alternateByPolicy(image: AccessImage, vhost: string, name: string): string | undefined {
  if (image.policyCount === 0) return undefined;
  const alternate = policiesFor(image, vhost, 'exchange', name)?.definition['alternate-exchange'];
  return typeof alternate === 'string' ? alternate : undefined;
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
