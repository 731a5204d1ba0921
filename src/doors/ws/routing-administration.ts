/** What a session asks about exchanges, bindings and queues of the RabbitMQ model. Each throws, or rejects with, BrokerError. */
import { BrokerError } from '../../broker/errors.js';
import type { Binding, ExchangeEntry, QueueSettings } from '../../broker/model.js';
import type { RoutingBroker } from '../../broker/ports.js';
import { decodeTable, type FieldTable, type FieldValue, integerOf, textOf } from '../../record/amqp/field-table.js';
import type {
  BindCommand,
  DeclareExchangeCommand,
  DeleteExchangeCommand,
  ExplainRouteCommand,
  ListBindingsCommand,
  ListExchangesCommand,
} from './commands.js';
import { MAX_LISTING_ENTRIES } from './limits.js';
import { wireFields } from './wire-tables.js';
import type { WireAnswer, WireBinding, WireExchange, WireQueueModel } from './wire-types.js';

const RESERVED_PREFIX = 'amq.';

/** @throws BrokerError `access-refused` for names that the broker keeps for itself. */
function checkNotReserved(verb: string, name: string): void {
  if (!name.startsWith(RESERVED_PREFIX)) return;
  throw new BrokerError(
    'access-refused',
    `Cannot ${verb} exchange ${JSON.stringify(name)}: names in "amq." are reserved`,
  );
}

function requiredExchange(broker: RoutingBroker, vhost: string, name: string): ExchangeEntry {
  const found = broker.exchange(vhost, name);
  if (found !== undefined) return found;
  throw new BrokerError('not-found', `There is no exchange ${JSON.stringify(name)} in virtual host "${vhost}"`);
}

/** Declares an exchange, or looks whether it is there. */
export async function declareExchange(broker: RoutingBroker, command: DeclareExchangeCommand): Promise<WireAnswer> {
  const { declaration } = command;
  const { vhost, name, passive } = declaration;
  if (passive) requiredExchange(broker, vhost, name);
  else if (broker.exchange(vhost, name) === undefined) checkNotReserved('declare', name);
  if (!passive) await broker.declareExchange(declaration);
  return { done: {} };
}

/** Deletes an exchange. */
export async function deleteExchange(broker: RoutingBroker, command: DeleteExchangeCommand): Promise<WireAnswer> {
  const { vhost, name, ifUnused } = command;
  checkNotReserved('delete', name);
  requiredExchange(broker, vhost, name);
  await broker.deleteExchange(vhost, name, ifUnused);
  return { done: {} };
}

/** Makes or ends a binding. */
export async function bind(broker: RoutingBroker, command: BindCommand, connection: string): Promise<WireAnswer> {
  const { vhost, binding } = command;
  if (command.kind === 'bind') await broker.bind(vhost, binding, connection);
  else await broker.unbind(vhost, binding, connection);
  return { done: {} };
}

/** One page of the exchanges, by name. */
export function listExchanges(broker: RoutingBroker, command: ListExchangesCommand): WireAnswer {
  const { vhost, namePrefix, after, limit } = command;
  const found: ExchangeEntry[] = [];
  for (const exchange of broker.exchanges(vhost)) {
    if (exchange.name.startsWith(namePrefix) && (exchange.name > after || after === '')) found.push(exchange);
  }
  found.sort((left, right) => (left.name < right.name ? -1 : 1));
  const exchanges = found.slice(0, limit).map(wireExchange);
  return { exchangeList: { exchanges, more: found.length > limit } };
}

/** One page of the bindings, in the catalog's order. */
export function listBindings(broker: RoutingBroker, command: ListBindingsCommand): WireAnswer {
  const { vhost, filter, skip, limit } = command;
  const bindings: WireBinding[] = [];
  let place = 0;
  for (const binding of broker.bindings(vhost, filter)) {
    if (place++ < skip) continue;
    if (bindings.length === limit) return { bindingList: { bindings, more: true } };
    bindings.push(wireBinding(binding));
  }
  return { bindingList: { bindings, more: false } };
}

/** Where a message would go, and why; as many matches as a listing has entries. @throws BrokerError `not-found` */
export function explainRoute(broker: RoutingBroker, command: ExplainRouteCommand): WireAnswer {
  const { vhost, exchange, routingKey, properties } = command;
  let room = MAX_LISTING_ENTRIES;
  let more = false;
  const steps = broker.explainRoute(vhost, exchange, routingKey, properties).map((step) => {
    const told = step.matches.slice(0, room);
    room -= told.length;
    more ||= told.length < step.matches.length;
    const matches = told.map(({ binding, key, reason }) => ({ binding: wireBinding(binding), key, reason }));
    const { alternate, ...others } = step;
    return { ...others, matches, ...(alternate === undefined ? {} : { alternate }) };
  });
  return { routeExplanation: { steps, more } };
}

function wireBinding(binding: Binding): WireBinding {
  const { source, destination, routingKey } = binding;
  return {
    source,
    destination,
    routingKey,
    toExchange: binding.destinationKind === 'exchange',
    arguments: wireFields(decodeTable(binding.arguments)),
  };
}

function wireExchange(exchange: ExchangeEntry): WireExchange {
  const { name, vhost, type, durable, autoDelete, internal } = exchange;
  const table = new Map(decodeTable(exchange.arguments));
  const alternate = textOf(table.get('alternate-exchange'));
  const delayedType = textOf(table.get('x-delayed-type'));
  if (alternate !== undefined) table.delete('alternate-exchange');
  if (delayedType !== undefined) table.delete('x-delayed-type');
  return {
    ...{ name, vhost, type, durable, autoDelete, internal, arguments: wireFields(table) },
    ...(alternate === undefined ? {} : { alternate }),
    ...(delayedType === undefined ? {} : { delayedType }),
  };
}

type NumberField =
  | 'messageTtlMs'
  | 'expiresMs'
  | 'maxLength'
  | 'maxLengthBytes'
  | 'maxPriority'
  | 'deliveryLimit'
  | 'consumerTimeoutMs'
  | 'deduplicationMs';
const numberFields: readonly (readonly [argument: string, field: NumberField])[] = [
  ['x-message-ttl', 'messageTtlMs'],
  ['x-expires', 'expiresMs'],
  ['x-max-length', 'maxLength'],
  ['x-max-length-bytes', 'maxLengthBytes'],
  ['x-max-priority', 'maxPriority'],
  ['x-delivery-limit', 'deliveryLimit'],
  ['x-consumer-timeout', 'consumerTimeoutMs'],
  ['x-deduplication-window', 'deduplicationMs'],
];
type TextField = 'deadLetterExchange' | 'deadLetterRoutingKey' | 'maxAge';
const textFields: readonly (readonly [argument: string, field: TextField])[] = [
  ['x-dead-letter-exchange', 'deadLetterExchange'],
  ['x-dead-letter-routing-key', 'deadLetterRoutingKey'],
  ['x-max-age', 'maxAge'],
];
type FlagField = 'singleActiveConsumer' | 'retain';
const flagFields: readonly (readonly [argument: string, field: FlagField])[] = [
  ['x-single-active-consumer', 'singleActiveConsumer'],
  ['x-retain', 'retain'],
];
const overflowNames: readonly string[] = ['', 'drop-head', 'reject-publish', 'reject-publish-dlx'];
const queueTypeNames: readonly string[] = ['', 'classic', 'quorum', 'stream'];

/** What a queue was declared with: known arguments have fields of their own, all others are listed. */
export function wireModel(settings: QueueSettings): WireQueueModel {
  const table = new Map(decodeTable(settings.arguments));
  const take = <Result>(name: string, read: (value: FieldValue) => Result | undefined): Result | undefined => {
    const value = table.get(name);
    const result = value && read(value);
    if (result !== undefined) table.delete(name);
    return result;
  };
  const model: WireQueueModel = {
    durable: settings.durable,
    exclusive: settings.exclusiveOwner !== '',
    autoDelete: settings.autoDelete,
  };
  for (const [argument, field] of numberFields) setIfGiven(model, field, take(argument, integerOf));
  for (const [argument, field] of textFields) setIfGiven(model, field, take(argument, textOf));
  for (const [argument, field] of flagFields) setIfGiven(model, field, take(argument, isTrue));
  setIfGiven(
    model,
    'overflow',
    take('x-overflow', (value) => placeIn(overflowNames, value)),
  );
  setIfGiven(
    model,
    'type',
    take('x-queue-type', (value) => placeIn(queueTypeNames, value)),
  );
  const atLeastOnce = take('x-dead-letter-strategy', (value) => textOf(value) === 'at-least-once' || undefined);
  setIfGiven(model, 'deadLetterAtLeastOnce', atLeastOnce);
  return withOthers(model, table);
}

function withOthers(model: WireQueueModel, table: FieldTable): WireQueueModel {
  return table.size === 0 ? model : { ...model, arguments: wireFields(table) };
}

function setIfGiven<Name extends keyof WireQueueModel>(
  model: WireQueueModel,
  name: Name,
  value: WireQueueModel[Name] | undefined,
): void {
  if (value !== undefined) model[name] = value;
}

function isTrue(value: FieldValue): boolean | undefined {
  return value.type === 'boolean' && value.value ? true : undefined;
}

function placeIn(names: readonly string[], value: FieldValue): number | undefined {
  const place = names.indexOf(textOf(value) ?? '');
  return place > 0 ? place : undefined;
}
