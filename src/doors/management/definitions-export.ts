/** Writes definitions in RabbitMQ's format (rabbit_mgmt_wm_definitions.erl); a section at a time, so that other work of the thread goes on. */
import type { Binding, ExchangeEntry } from '../../broker/model.js';
import type { TopicEntry } from '../../broker/ports.js';
import type { Call } from './endpoint.js';
import type { JsonObject } from './json.js';
import { listText, WHOLE_LIST } from './lists.js';
import { vhostNames } from './permissions.js';
import { parameterItems } from './routes/parameters.js';
import { permissionItem, topicPermissionItem } from './routes/permissions.js';
import { policyItem } from './routes/policies.js';
import { tableToJson } from './tables.js';
import { PRODUCT_NAME, RABBITMQ_VERSION } from './versions.js';

type Section = readonly [name: string, items: readonly JsonObject[]];

/** All definitions, as JSON. */
export async function exportDefinitions(call: Call): Promise<string> {
  const { view, node } = call.ports;
  const vhosts = vhostNames(call.ports);
  const head = {
    rabbit_version: RABBITMQ_VERSION,
    rabbitmq_version: RABBITMQ_VERSION,
    product_name: PRODUCT_NAME,
    product_version: node.version,
  };
  return write(head, [
    ['users', userItems(call)],
    ['vhosts', vhosts.map((vhost) => vhostItem(call, vhost))],
    ['permissions', Array.from(view.permissions(), permissionItem)],
    ['topic_permissions', Array.from(view.topicPermissions(), topicPermissionItem)],
    ['parameters', vhosts.flatMap((vhost) => parameterItems(call, vhost))],
    ['global_parameters', Array.from(view.globalParameters(), ({ name, value }) => ({ name, value }))],
    ['policies', Array.from(view.policies(false), policyItem)],
    ...brokerSections(call, vhosts),
  ]);
}

/** The definitions of one virtual host, without its name. */
export async function exportVhostDefinitions(call: Call, vhost: string): Promise<string> {
  const { view } = call.ports;
  const sections: Section[] = [
    ['parameters', parameterItems(call, vhost)],
    ['policies', Array.from(view.policies(false, vhost), policyItem)],
    ...brokerSections(call, [vhost]),
  ];
  return write(
    { rabbit_version: RABBITMQ_VERSION },
    sections.map(([name, items]): Section => [name, items.map(({ vhost: _, ...rest }) => rest)]),
  );
}

async function write(head: JsonObject, sections: readonly Section[]): Promise<string> {
  const parts: string[] = [];
  for (const [name, items] of sections) {
    const text = await listText(items, { order: [], item: (item) => item }, WHOLE_LIST);
    parts.push(`${JSON.stringify(name)}:${text}`);
  }
  return `${JSON.stringify(head).slice(0, -1)},${parts.join(',')}}`;
}

function userItems({ ports }: Call): JsonObject[] {
  return Array.from(ports.view.users(), (user) => ({
    name: user.name,
    ...ports.passwords.exported(user),
    tags: [...user.tags],
    limits: { ...ports.view.userLimits(user.name) },
  }));
}

function vhostItem({ ports }: Call, name: string): JsonObject {
  const { description, tags, defaultQueueType } = ports.view.vhostMetadata(name);
  const metadata = {
    description,
    tags: [...tags],
    ...(defaultQueueType === undefined ? {} : { default_queue_type: defaultQueueType }),
  };
  return { name, ...metadata, metadata };
}

function brokerSections(call: Call, vhosts: readonly string[]): Section[] {
  const { broker } = call.ports;
  const wanted = new Set(vhosts);
  const topics = [...broker.topics()].filter((topic) => wanted.has(topic.vhost ?? '/'));
  const queues = topics.filter(({ settings }) => settings.kind === 'queue' && !isExclusive(settings.queue));
  const exported = new Set(topics.filter((topic) => !isExclusive(topic.settings.queue)).map(keyOf));
  const exchanges = vhosts.flatMap((vhost) => [...broker.exchanges(vhost)].filter(({ name }) => isOwn(name)));
  const bindings = vhosts.flatMap((vhost) =>
    Array.from(broker.bindings(vhost), (binding) => ({ vhost, binding })).filter(
      ({ binding }) =>
        binding.destinationKind === 'exchange' || exported.has(keyOf({ vhost, name: binding.destination })),
    ),
  );
  const plain = topics.filter(({ settings }) => settings.kind === 'topic').map(topicItem);
  return [
    ['queues', queues.map(queueItem)],
    ['exchanges', exchanges.map(exchangeItem)],
    ['bindings', bindings.map(bindingItem)],
    ...(plain.length === 0 ? [] : [['duolog_topics', plain] as const]),
  ];
}

function keyOf({ vhost = '/', name }: { readonly vhost?: string; readonly name: string }): string {
  return `${vhost}\0${name}`;
}

function isExclusive(settings: TopicEntry['settings']['queue']): boolean {
  return (settings?.exclusiveOwner ?? '') !== '';
}

/** Whether an exchange was declared by somebody. */
function isOwn(name: string): boolean {
  return name !== '' && !name.startsWith('amq.');
}

function queueItem({ name, vhost = '/', settings }: TopicEntry): JsonObject {
  const { durable = true, autoDelete = false, arguments: table = new Uint8Array(0) } = settings.queue ?? {};
  return { name, vhost, durable, auto_delete: autoDelete, arguments: tableToJson(table) };
}

function exchangeItem(exchange: ExchangeEntry): JsonObject {
  const { name, vhost, type, durable, autoDelete, internal } = exchange;
  return { name, vhost, type, durable, auto_delete: autoDelete, internal, arguments: tableToJson(exchange.arguments) };
}

function bindingItem({ vhost, binding }: { readonly vhost: string; readonly binding: Binding }): JsonObject {
  const { source, destination, destinationKind, routingKey } = binding;
  const table = tableToJson(binding.arguments);
  return { source, vhost, destination, destination_type: destinationKind, routing_key: routingKey, arguments: table };
}

function topicItem({ name, vhost = '/', settings, partitions }: TopicEntry): JsonObject {
  return {
    name,
    vhost,
    partitions: partitions.length,
    durability: settings.durability,
    retention_ms: settings.retentionMs,
    retention_bytes: settings.retentionBytes,
    segment_bytes: settings.segmentBytes,
    segment_ms: settings.segmentMs,
  };
}
