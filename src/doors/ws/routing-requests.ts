/** Readers of the requests about exchanges, bindings and queues of the RabbitMQ model. Each throws BrokerError. */

import { encodeUtf8 } from '../../base/utf8.js';
import type { Binding, ExchangeType } from '../../broker/model.js';
import type { FieldValue } from '../../record/amqp/field-table.js';
import * as check from './checks.js';
import type * as commands from './commands.js';
import { invalidRequest } from './errors.js';
import * as limits from './limits.js';
import { encodedProperties } from './wire-properties.js';
import { encodedArguments, tableOf } from './wire-tables.js';
import type { WireBinding, WireKind, WireQueueModel } from './wire-types.js';

const exchangeTypes: ReadonlySet<string> = new Set<ExchangeType>([
  'direct',
  'fanout',
  'topic',
  'headers',
  'x-delayed-message',
]);
const overflows = [undefined, 'drop-head', 'reject-publish', 'reject-publish-dlx'] as const;
const queueTypes = [undefined, 'classic', 'quorum', 'stream'] as const;

function text(value: string): FieldValue {
  return { type: 'longstr', value: encodeUtf8(value) };
}

/** Adds what a field of its own says to further arguments. @throws BrokerError `invalid-request` when both say something. */
function put(table: Map<string, FieldValue>, name: string, value: FieldValue): void {
  if (table.has(name)) throw invalidRequest(`The arguments repeat ${name}, which has a field of its own`);
  table.set(name, value);
}

function putText(table: Map<string, FieldValue>, name: string, value: string | null | undefined): void {
  if (value !== undefined && value !== null) put(table, name, text(value));
}

function putNumber(table: Map<string, FieldValue>, name: string, value: number | null | undefined): void {
  if (value !== undefined && value !== null) put(table, name, { type: 'int64', value: BigInt(value) });
}

function putFlag(table: Map<string, FieldValue>, name: string, value: boolean | null | undefined): void {
  if (value) put(table, name, { type: 'boolean', value: true });
}

function choice(
  names: readonly (string | undefined)[],
  value: number | null | undefined,
  what: string,
): string | undefined {
  if (!value) return undefined;
  const name = names[value];
  if (name === undefined) throw invalidRequest(`There is no ${what} ${value}`);
  return name;
}

/** A queue's settings as the argument table that they stand for. */
function queueArguments(model: WireQueueModel): Uint8Array {
  const table = new Map(tableOf(model.arguments));
  putNumber(table, 'x-message-ttl', model.messageTtlMs);
  putNumber(table, 'x-expires', model.expiresMs);
  putNumber(table, 'x-max-length', model.maxLength);
  putNumber(table, 'x-max-length-bytes', model.maxLengthBytes);
  putText(table, 'x-overflow', choice(overflows, model.overflow, 'overflow'));
  putText(table, 'x-dead-letter-exchange', model.deadLetterExchange);
  putText(table, 'x-dead-letter-routing-key', model.deadLetterRoutingKey);
  putText(table, 'x-dead-letter-strategy', model.deadLetterAtLeastOnce ? 'at-least-once' : undefined);
  putNumber(table, 'x-max-priority', model.maxPriority);
  putFlag(table, 'x-single-active-consumer', model.singleActiveConsumer);
  putNumber(table, 'x-delivery-limit', model.deliveryLimit);
  putNumber(table, 'x-consumer-timeout', model.consumerTimeoutMs);
  putFlag(table, 'x-retain', model.retain);
  putNumber(table, 'x-deduplication-window', model.deduplicationMs);
  putText(table, 'x-queue-type', choice(queueTypes, model.type, 'type of queue'));
  putText(table, 'x-max-age', model.maxAge);
  return encodedArguments(table);
}

/** What a declaration says of a queue beside what every topic has. */
export function queueModel(model: WireQueueModel): commands.QueueModelSettings {
  const exclusive = model.exclusive ?? false;
  return {
    durable: (model.durable ?? true) && !exclusive,
    exclusive,
    autoDelete: model.autoDelete ?? false,
    arguments: queueArguments(model),
  };
}

/** A declaration of an exchange. */
export function declareExchange(
  request: WireKind<'declareExchange'>,
  session: limits.RequestScope,
): commands.DeclareExchangeCommand {
  const exchange = request.exchange ?? {};
  const passive = request.passive ?? false;
  const type = exchange.type || 'direct';
  if (!passive && !exchangeTypes.has(type))
    throw invalidRequest(`There is no type of exchange ${JSON.stringify(type)}`);
  const table = new Map(tableOf(exchange.arguments));
  putText(table, 'alternate-exchange', exchange.alternate);
  putText(table, 'x-delayed-type', exchange.delayedType);
  return {
    kind: 'declare-exchange',
    declaration: {
      vhost: check.checkedVhost(exchange.vhost, session.vhost),
      name: check.checkedName(exchange.name, 'exchange'),
      // The set above holds nothing but exchange types; a passive declaration does not look at it.
      type: type as ExchangeType,
      passive,
      durable: exchange.durable ?? true,
      autoDelete: exchange.autoDelete ?? false,
      internal: exchange.internal ?? false,
      arguments: encodedArguments(table),
    },
  };
}

/** The deletion of an exchange. */
export function deleteExchange(
  request: WireKind<'deleteExchange'>,
  session: limits.RequestScope,
): commands.DeleteExchangeCommand {
  return {
    kind: 'delete-exchange',
    vhost: check.checkedVhost(request.vhost, session.vhost),
    name: check.checkedName(request.name, 'exchange'),
    ifUnused: request.ifUnused ?? false,
  };
}

function binding(wire: WireBinding | null | undefined): Binding {
  const { toExchange, routingKey } = wire ?? {};
  check.checkedLongText('The routing key', routingKey, limits.MAX_SHORT_TEXT);
  return {
    source: check.checkedName(wire?.source, 'exchange'),
    destination: check.checkedName(wire?.destination, toExchange ? 'exchange' : 'topic or queue'),
    destinationKind: toExchange ? 'exchange' : 'queue',
    routingKey: routingKey ?? '',
    arguments: encodedArguments(tableOf(wire?.arguments)),
  };
}

/** A new binding. */
export function bind(request: WireKind<'bind'>, session: limits.RequestScope): commands.BindCommand {
  return { kind: 'bind', vhost: check.checkedVhost(request.vhost, session.vhost), binding: binding(request.binding) };
}

/** The end of a binding. */
export function unbind(request: WireKind<'unbind'>, session: limits.RequestScope): commands.BindCommand {
  return { kind: 'unbind', vhost: check.checkedVhost(request.vhost, session.vhost), binding: binding(request.binding) };
}

/** A page of exchanges. */
export function listExchanges(
  request: WireKind<'listExchanges'>,
  session: limits.RequestScope,
): commands.ListExchangesCommand {
  return {
    kind: 'list-exchanges',
    vhost: check.checkedVhost(request.vhost, session.vhost),
    namePrefix: request.namePrefix ?? '',
    after: request.after ?? '',
    limit: Math.min(request.limit || limits.MAX_LISTING_ENTRIES, limits.MAX_LISTING_ENTRIES),
  };
}

/** A page of bindings. */
export function listBindings(
  request: WireKind<'listBindings'>,
  session: limits.RequestScope,
): commands.ListBindingsCommand {
  const { source, destination } = request;
  return {
    kind: 'list-bindings',
    vhost: check.checkedVhost(request.vhost, session.vhost),
    filter: {
      ...(source === undefined || source === null ? {} : { source }),
      ...(destination === undefined || destination === null ? {} : { destination }),
    },
    skip: request.skip ?? 0,
    limit: Math.min(request.limit || limits.MAX_LISTING_ENTRIES, limits.MAX_LISTING_ENTRIES),
  };
}

/** The question where a message would go. */
export function explainRoute(
  request: WireKind<'explainRoute'>,
  session: limits.RequestScope,
): commands.ExplainRouteCommand {
  const { exchange, routingKey, headers } = request;
  check.checkedLongText('The routing key', routingKey, limits.MAX_SHORT_TEXT);
  return {
    kind: 'explain-route',
    vhost: check.checkedVhost(request.vhost, session.vhost),
    // The default exchange has no name.
    exchange: exchange ? check.checkedName(exchange, 'exchange') : '',
    routingKey: routingKey ?? '',
    properties: encodedProperties({ headers: headers ?? [] }, true),
  };
}

/** A request for one message. */
export function get(request: WireKind<'get'>, session: limits.RequestScope): commands.GetCommand {
  return {
    kind: 'get',
    subscription: check.checkedSubscription(request.subscription),
    from: check.checkedName(request.from),
    vhost: check.checkedVhost(request.vhost, session.vhost),
    automaticAck: request.automaticAck ?? false,
  };
}
