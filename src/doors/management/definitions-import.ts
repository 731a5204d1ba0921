/**
 * Carries out a file of definitions (rabbit_definitions.erl). The whole file is checked first; users, virtual hosts, permissions, policies and the like are
 * made together or not at all; queues, exchanges and bindings follow, and those that exist already stay as they are.
 */
import type { AccessRequest } from '../../broker/access/requests.js';
import { type Binding, DEFAULT_VHOST, type ExchangeType } from '../../broker/model.js';
import type { DurabilityLevel } from '../../broker/ports.js';
import type { Call } from './endpoint.js';
import { badRequest } from './errors.js';
import type { JsonObject } from './json.js';
import { parameterRequests } from './routes/parameters.js';
import { policyRequest } from './routes/policy-requests.js';
import { passwordChange } from './routes/users.js';
import { metadataOf, queueTypeOf } from './routes/vhosts.js';
import type { Definitions } from './schemas.js';
import { tableFromJson, tableToJson } from './tables.js';

/** Declarations under way at the same time: those that wait are written together. */
const AT_ONCE = 500;
const EXCHANGE_TYPES: readonly string[] = ['direct', 'fanout', 'topic', 'headers', 'x-delayed-message'];

/** Imports into all virtual hosts, or everything into `vhost`. @throws ManagementError, BrokerError */
export async function importDefinitions(
  call: Call,
  definitions: Definitions,
  vhost: string | undefined,
): Promise<void> {
  const where = (given: string | undefined): string => vhost ?? given ?? DEFAULT_VHOST;
  const requests = [
    ...(vhost === undefined ? nodeRequests(call, definitions) : []),
    ...vhostRequests(definitions, where),
  ];
  // Tables and types are looked at before anything is made.
  const queues = definitions.queues.map((queue) => ({ ...queue, table: tableFromJson(queue.arguments) }));
  const exchanges = definitions.exchanges
    .filter(({ name }) => name !== '' && !name.startsWith('amq.'))
    .map((exchange) => ({ ...exchange, type: typeOf(exchange), table: tableFromJson(exchange.arguments) }));
  const bindings = definitions.bindings
    .filter(({ source }) => source !== '')
    .map((binding) => ({ ...binding, table: tableFromJson(binding.arguments) }));
  if (requests.length > 0) await call.ports.administer(requests, call.actor);
  const { broker } = call.ports;
  await together(definitions.duolog_topics, (topic) => declareTopic(call, where(topic.vhost), topic));
  await together(queues, async ({ name, durable, auto_delete: autoDelete, table, ...queue }) => {
    const at = where(queue.vhost);
    if (broker.topic(name, at)?.settings.kind === 'queue') return;
    await broker.declare({
      name,
      vhost: at,
      queue: { durable, exclusive: false, autoDelete, arguments: table, connection: '', shard: broker.shard },
      partitions: 0,
      settings: { kind: 'queue' },
      passive: false,
      start: { at: 'end' },
    });
  });
  await together(exchanges, async ({ name, type, durable, auto_delete: autoDelete, internal, table, ...exchange }) => {
    const at = where(exchange.vhost);
    if (broker.exchange(at, name) !== undefined) return;
    await broker.declareExchange({
      vhost: at,
      name,
      type,
      passive: false,
      durable,
      autoDelete,
      internal,
      arguments: table,
    });
  });
  await together(bindings, async ({ source, destination, destination_type: destinationKind, table, ...binding }) => {
    const routingKey = binding.routing_key ?? '';
    const at = where(binding.vhost);
    if (isBound(call, at, { source, destination, destinationKind, routingKey }, binding.arguments)) return;
    await broker.bind(at, { source, destination, destinationKind, routingKey, arguments: table }, '');
  });
}

/** A file does not tell which kind of number an argument was: a binding that looks the same is the same. */
function isBound({ ports }: Call, vhost: string, wanted: Omit<Binding, 'arguments'>, table: JsonObject): boolean {
  const { source, destination, destinationKind, routingKey } = wanted;
  const text = JSON.stringify(tableToJson(tableFromJson(table)));
  for (const binding of ports.broker.bindings(vhost, { source, destination })) {
    if (binding.destinationKind !== destinationKind || binding.routingKey !== routingKey) continue;
    if (JSON.stringify(tableToJson(binding.arguments)) === text) return true;
  }
  return false;
}

async function together<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += AT_ONCE) {
    const outcomes = await Promise.allSettled(items.slice(from, from + AT_ONCE).map(work));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
}

function typeOf({ name, type }: { readonly name: string; readonly type: string }): ExchangeType {
  // The list holds nothing but exchange types.
  if (EXCHANGE_TYPES.includes(type)) return type as ExchangeType;
  return badRequest(`Exchange '${name}': unknown exchange type '${type}'`);
}

/** What concerns the node as a whole, in an order in which each finds what it needs. */
function nodeRequests(call: Call, definitions: Definitions): AccessRequest[] {
  const requests: AccessRequest[] = [];
  for (const { name, value } of definitions.global_parameters) {
    requests.push({ kind: 'set-parameter', component: '', name, value });
  }
  for (const vhost of definitions.vhosts) requests.push(vhostRequest(vhost));
  for (const user of definitions.users) requests.push(...userRequests(call, user));
  for (const permission of definitions.permissions) requests.push({ kind: 'set-permission', ...permission });
  for (const { exchange, ...permission } of definitions.topic_permissions) {
    const named = exchange === 'amq.default' ? '' : exchange;
    requests.push({ kind: 'set-topic-permission', exchange: named, ...permission });
  }
  return requests;
}

function vhostRequest({ name, metadata = {}, ...given }: Definitions['vhosts'][number]): AccessRequest {
  const description = given.description ?? textOf(metadata['description']);
  const tags = given.tags ?? textsOf(metadata['tags']);
  const type = queueTypeOf(given.default_queue_type ?? (textOf(metadata['default_queue_type']) || undefined));
  return { kind: 'put-vhost', vhost: name, metadata: metadataOf(description, tags, type) };
}

function userRequests({ ports }: Call, user: Definitions['users'][number]): AccessRequest[] {
  const { name, tags, password_hash: hash, hashing_algorithm: algorithm, limits = {} } = user;
  const requests: AccessRequest[] = [
    { kind: 'put-user', name, tags, password: passwordChange(ports.passwords, { hash, algorithm }) },
  ];
  for (const limit of ['max-connections', 'max-channels'] as const) {
    const value = limits[limit];
    if (typeof value === 'number') requests.push({ kind: 'set-user-limit', user: name, limit, value });
  }
  return requests;
}

function vhostRequests(definitions: Definitions, where: (vhost: string | undefined) => string): AccessRequest[] {
  return [
    ...definitions.parameters.flatMap(({ vhost, component, name, value }) =>
      parameterRequests(where(vhost), component, name, value),
    ),
    ...definitions.policies.map(({ vhost, name, ...policy }) => policyRequest(false, where(vhost), name, policy)),
  ];
}

function textOf(value: JsonObject[string] | undefined): string {
  return typeof value === 'string' ? value : '';
}

function textsOf(value: JsonObject[string] | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

async function declareTopic(call: Call, vhost: string, topic: Definitions['duolog_topics'][number]): Promise<void> {
  const { broker } = call.ports;
  if (broker.topic(topic.name, vhost) !== undefined) return;
  await broker.declare({
    name: topic.name,
    vhost,
    partitions: topic.partitions,
    settings: {
      kind: 'topic',
      // The schema lets nothing else through.
      durability: topic.durability as DurabilityLevel,
      retentionMs: topic.retention_ms,
      retentionBytes: topic.retention_bytes,
      segmentBytes: topic.segment_bytes,
      segmentMs: topic.segment_ms,
    },
    passive: false,
    start: { at: 'beginning' },
  });
}
