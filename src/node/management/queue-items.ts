/** Queues as RabbitMQ's API shows them. */
import type { CatalogTopic } from '../../broker/catalog.js';
import { DEFAULT_QUEUE_POLICY, type QueuePolicy } from '../../broker/model.js';
import { parseQueuePolicy } from '../../broker/queue-arguments.js';
import type { JsonObject } from '../../doors/management/json.js';
import type { ListShape } from '../../doors/management/lists.js';
import { tableToJson } from '../../doors/management/tables.js';
import { deliveryStats, withRates } from './message-stats.js';
import { figuresOf, type PartitionTable, type QueueFigures } from './queue-figures.js';
import type { Rates } from './rates.js';

/** What items of queues are made of. */
export interface QueueContext {
  readonly nodeName: string;
  readonly table: PartitionTable;
  readonly rates: Rates;
  /** The policies that are for a queue. */
  readonly policies: (topic: CatalogTopic) => PolicyFacts;
  /** When something last happened to a queue, in milliseconds since 1970; undefined while something does. */
  readonly idleSinceMs: (topic: CatalogTopic, figures: QueueFigures) => number | undefined;
  /** The connection that owns an exclusive queue, as clients see it. */
  readonly owner: (connection: string) => JsonObject | undefined;
}

/** Names of the policies that are for something, and what they come to. */
export interface PolicyFacts {
  readonly policy: string | null;
  readonly operatorPolicy: string | null;
  readonly definition: JsonObject;
}

/** Key of a queue's samples. */
export function queueKey({ topicId }: CatalogTopic): string {
  return `queue ${topicId}`;
}

const BASIC = new Set(['name', 'vhost', 'durable', 'auto_delete', 'exclusive', 'type', 'arguments', 'node']);

function policyOf({ settings }: CatalogTopic): QueuePolicy {
  const table = settings.queue?.arguments;
  return table === undefined || table.length === 0 ? DEFAULT_QUEUE_POLICY : parseQueuePolicy(table);
}

function basicItem(topic: CatalogTopic, { nodeName }: QueueContext): JsonObject {
  const { durable = true, autoDelete = false, exclusiveOwner = '', arguments: table } = topic.settings.queue ?? {};
  return {
    name: topic.name,
    vhost: topic.vhost ?? '/',
    durable,
    auto_delete: autoDelete,
    exclusive: exclusiveOwner !== '',
    arguments: tableToJson(table ?? new Uint8Array(0)),
    type: policyOf(topic).type,
    node: nodeName,
  };
}

/** Everything that is told of a queue. */
export function queueItem(topic: CatalogTopic, context: QueueContext): JsonObject {
  const figures = figuresOf(topic, context.table);
  const rate = context.rates.of(queueKey(topic));
  const { ready, unacknowledged } = figures;
  const { policy, operatorPolicy, definition } = context.policies(topic);
  const idleSince = context.idleSinceMs(topic, figures);
  const stats = deliveryStats(figures, rate);
  const owner = context.owner(topic.settings.queue?.exclusiveOwner ?? '');
  return {
    ...basicItem(topic, context),
    ...withRates([
      ['messages', ready + unacknowledged, rate(6)],
      ['messages_ready', ready, rate(4)],
      ['messages_unacknowledged', unacknowledged, rate(5)],
    ]),
    ...bytesOf(figures),
    consumers: figures.consumers,
    consumer_utilisation: ready === 0 && figures.consumers > 0 ? 1 : 0,
    consumer_capacity: ready === 0 && figures.consumers > 0 ? 1 : 0,
    effective_policy_definition: definition,
    policy,
    operator_policy: operatorPolicy,
    exclusive_consumer_tag: null,
    single_active_consumer_tag: null,
    head_message_timestamp: null,
    recoverable_slaves: null,
    state: figures.isOffline ? 'down' : 'running',
    ...typeFacts(topic, context.nodeName),
    ...(owner === undefined ? {} : { owner_pid_details: owner }),
    ...(idleSince === undefined ? {} : { idle_since: new Date(idleSince).toISOString().replace('Z', '+00:00') }),
    // RabbitMQ leaves it out while nothing has happened.
    ...(stats.every(([, value]) => value === 0) ? {} : { message_stats: withRates(stats) }),
  };
}

/** Bodies are not counted one by one: these are what the log's size comes to for each message that it holds. */
function bytesOf({ ready, unacknowledged, sizeBytes, stored }: QueueFigures): JsonObject {
  const each = stored === 0 ? 0 : sizeBytes / stored;
  const [readyBytes, heldBytes] = [Math.round(each * ready), Math.round(each * unacknowledged)];
  return {
    memory: 0,
    message_bytes: readyBytes + heldBytes,
    message_bytes_ready: readyBytes,
    message_bytes_unacknowledged: heldBytes,
    message_bytes_ram: 0,
    message_bytes_persistent: readyBytes + heldBytes,
    message_bytes_paged_out: readyBytes + heldBytes,
    messages_ram: 0,
    messages_ready_ram: 0,
    messages_unacknowledged_ram: 0,
    messages_persistent: ready + unacknowledged,
    messages_paged_out: ready + unacknowledged,
  };
}

/** What tools look for in queues that RabbitMQ would keep on several nodes. */
function typeFacts(topic: CatalogTopic, nodeName: string): JsonObject {
  if (policyOf(topic).type === 'classic') return {};
  return { leader: nodeName, members: [nodeName], online: [nodeName] };
}

/** Lists of queues: by name, they cost no more than the page that is shown. */
export function queueShape(context: QueueContext): ListShape<CatalogTopic> {
  return {
    order: ['vhost', 'name'],
    name: ({ name }) => name,
    basic: { columns: BASIC, item: (topic) => basicItem(topic, context) },
    item: (topic) => queueItem(topic, context),
  };
}
