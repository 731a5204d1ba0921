/** The methods of the classes exchange and queue: what RabbitMQ checks, in its words, and then the broker's change. */
import type { ExchangeType } from '../../broker/model.js';
import type { TopicEntry } from '../../broker/ports.js';
import { isStream } from '../../broker/streams.js';
import { decodeTable, textOf } from '../../record/amqp/field-table.js';
import type {
  ExchangeBindCommand,
  ExchangeDeclareCommand,
  QueueBindCommand,
  QueueDeclareCommand,
  QueueDeleteCommand,
} from './commands.js';
import { isReplyAddress, REPLY_QUEUE } from './direct-reply.js';
import { AmqpError, notFound, resourceText } from './errors.js';
import { Method, type MethodId } from './methods.js';
import { type ChannelScope, checkAccess, checkTopicAccess } from './scope.js';

const exchangeTypes: ReadonlySet<string> = new Set<ExchangeType>([
  'direct',
  'fanout',
  'topic',
  'headers',
  'x-delayed-message',
]);
const RESERVED_PREFIX = 'amq.';

/** What queue.declare-ok says. */
export interface DeclaredQueue {
  readonly name: string;
  readonly ready: number;
  readonly consumers: number;
}

/** Names that were pasted with a line end are meant without it, says RabbitMQ. */
function cleanName(name: string): string {
  return /[\r\n]/.test(name) ? name.replaceAll(/[\r\n]/g, '') : name;
}

function checkNotDefault(exchange: string, method: MethodId): void {
  if (exchange !== '') return;
  throw new AmqpError('access-refused', 'operation not permitted on the default exchange', method);
}

function checkNotReserved(kind: 'queue' | 'exchange', name: string, method: MethodId): void {
  if (!name.startsWith(RESERVED_PREFIX)) return;
  throw new AmqpError('access-refused', `${kind} name '${name}' contains reserved prefix 'amq.*'`, method);
}

/** The queue with this name, if this connection may use it. @throws AmqpError `not-found`, `resource-locked`. */
export function usableQueue(scope: ChannelScope, name: string, method: MethodId): TopicEntry {
  const { vhost, connection } = scope.session;
  const queue = scope.context.ports.broker.topic(name, vhost);
  if (queue === undefined) throw notFound('queue', name, vhost, method);
  const owner = queue.settings.queue?.exclusiveOwner ?? '';
  if (owner === '' || owner === connection) return queue;
  const text = `cannot obtain exclusive access to locked ${resourceText('queue', name, vhost)}. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.`;
  throw new AmqpError('resource-locked', text, method);
}

/** exchange.declare. @throws AmqpError; rejects with a BrokerError. */
export async function declareExchange(scope: ChannelScope, command: ExchangeDeclareCommand): Promise<void> {
  const { broker } = scope.context.ports;
  const { vhost } = scope.session;
  const method = Method.exchangeDeclare;
  const name = cleanName(command.exchange);
  if (!command.passive && !exchangeTypes.has(command.type)) {
    throw new AmqpError('command-invalid', `unknown exchange type '${command.type}'`, method);
  }
  checkNotDefault(name, method);
  const found = broker.exchange(vhost, name);
  if (command.passive) {
    if (found === undefined) throw notFound('exchange', name, vhost, method);
    return;
  }
  checkAccess(scope, 'configure', 'exchange', name, method);
  if (found === undefined) {
    checkNotReserved('exchange', name, method);
    const alternate = exchangeArgument(command.arguments, 'alternate-exchange');
    if (alternate !== undefined) {
      checkAccess(scope, 'read', 'exchange', name, method);
      checkAccess(scope, 'write', 'exchange', alternate, method);
    }
  }
  const { durable, autoDelete, internal } = command;
  // The set above holds nothing but exchange types.
  const type = command.type as ExchangeType;
  await broker.declareExchange({
    vhost,
    name,
    type,
    passive: false,
    durable,
    autoDelete,
    internal,
    arguments: command.arguments,
  });
}

/** exchange.delete. @throws AmqpError; rejects with a BrokerError. */
export async function deleteExchange(scope: ChannelScope, exchange: string, ifUnused: boolean): Promise<void> {
  const { vhost } = scope.session;
  const method = Method.exchangeDelete;
  const name = cleanName(exchange);
  checkNotDefault(name, method);
  if (name.startsWith(RESERVED_PREFIX)) {
    const text = `deletion of system ${resourceText('exchange', name, vhost)} not allowed`;
    throw new AmqpError('access-refused', text, method);
  }
  checkAccess(scope, 'configure', 'exchange', name, method);
  await scope.context.ports.broker.deleteExchange(vhost, name, ifUnused);
}

/** exchange.bind and exchange.unbind. @throws AmqpError; rejects with a BrokerError. */
export async function bindExchange(scope: ChannelScope, command: ExchangeBindCommand): Promise<void> {
  const method = command.kind === 'exchange-bind' ? Method.exchangeBind : Method.exchangeUnbind;
  const destination = cleanName(command.destination);
  const source = cleanName(command.source);
  checkAccess(scope, 'write', 'exchange', destination, method);
  checkNotDefault(destination, method);
  checkNotDefault(source, method);
  checkAccess(scope, 'read', 'exchange', source, method);
  const { vhost, connection } = scope.session;
  const { broker } = scope.context.ports;
  const { routingKey } = command;
  if (broker.exchange(vhost, source)?.routesAs === 'topic') checkTopicAccess(scope, 'read', source, routingKey, method);
  const missing = [source, destination].find((name) => broker.exchange(vhost, name) === undefined);
  const isBind = command.kind === 'exchange-bind';
  if (missing !== undefined) {
    // What does not exist is not bound: RabbitMQ answers ok.
    if (!isBind) return;
    throw notFound('exchange', missing, vhost, method);
  }
  const binding = {
    source,
    destination,
    destinationKind: 'exchange',
    routingKey,
    arguments: command.arguments,
  } as const;
  await (isBind ? broker.bind(vhost, binding, connection) : broker.unbind(vhost, binding, connection));
}

/** queue.declare. @throws AmqpError; rejects with a BrokerError. */
export async function declareQueue(scope: ChannelScope, command: QueueDeclareCommand): Promise<DeclaredQueue> {
  const { context, session } = scope;
  const method = Method.queueDeclare;
  const asked = cleanName(command.queue);
  if (asked === REPLY_QUEUE || isReplyAddress(asked)) return declaredReplies(scope, asked);
  if (command.passive) return describe(scope, usableQueue(scope, asked, method), command.noWait);
  const name = asked === '' ? context.newName('amq.gen-') : asked;
  checkAccess(scope, 'configure', 'queue', name, method);
  const { broker } = context.ports;
  const known = broker.topic(name, session.vhost);
  if (known === undefined && asked !== '') checkNotReserved('queue', name, method);
  if (known !== undefined) usableQueue(scope, name, method);
  else checkDeadLetterAccess(scope, name, command.arguments);
  const { exclusive, autoDelete } = command;
  const entry = await broker.declare({
    name,
    vhost: session.vhost,
    queue: {
      // An exclusive queue ends with its connection, whatever else it is.
      durable: command.durable && !exclusive,
      exclusive,
      autoDelete,
      arguments: command.arguments,
      connection: session.connection,
      shard: broker.shard,
    },
    partitions: 0,
    settings: { kind: 'queue' },
    passive: false,
    start: { at: 'end' },
  });
  if (known === undefined) return { name, ready: 0, consumers: 0 };
  return describe(scope, entry, command.noWait);
}

/** Who has messages dead-lettered reads them from the queue and writes them to the exchange. */
function checkDeadLetterAccess(scope: ChannelScope, queue: string, encoded: Uint8Array): void {
  const exchange = exchangeArgument(encoded, 'x-dead-letter-exchange');
  if (exchange === undefined) return;
  checkAccess(scope, 'read', 'queue', queue, Method.queueDeclare);
  checkAccess(scope, 'write', 'exchange', exchange, Method.queueDeclare);
}

/** The exchange that an argument names; one of another type is the broker's to refuse. */
function exchangeArgument(encoded: Uint8Array, name: string): string | undefined {
  return encoded.length === 0 ? undefined : textOf(decodeTable(encoded).get(name));
}

/** Declaring an address for replies asks whether somebody waits there: RabbitMQ's servers of requests do that. */
function declaredReplies(scope: ChannelScope, name: string): DeclaredQueue {
  if (name === REPLY_QUEUE || scope.context.replies.mayExist(name)) return { name, ready: 0, consumers: 1 };
  throw notFound('queue', name, scope.session.vhost, Method.queueDeclare);
}

async function describe(scope: ChannelScope, queue: TopicEntry, noWait: boolean): Promise<DeclaredQueue> {
  if (noWait) return { name: queue.name, ready: 0, consumers: 0 };
  const { ready, consumers } = await scope.context.ports.broker.counts(queue);
  return { name: queue.name, ready, consumers };
}

/** queue.bind and queue.unbind; the names are expanded. @throws AmqpError; rejects with a BrokerError. */
export async function bindQueue(
  scope: ChannelScope,
  command: QueueBindCommand,
  queueName: string,
  routingKey: string,
): Promise<void> {
  const isBind = command.kind === 'queue-bind';
  const method = isBind ? Method.queueBind : Method.queueUnbind;
  const { vhost, connection } = scope.session;
  const { broker } = scope.context.ports;
  const source = cleanName(command.exchange);
  const destination = cleanName(queueName);
  if (isReplyAddress(destination)) {
    throw new AmqpError('access-refused', 'cannot bind or unbind to a volatile (direct reply-to) queue', method);
  }
  checkAccess(scope, 'write', 'queue', destination, method);
  checkNotDefault(source, method);
  checkAccess(scope, 'read', 'exchange', source, method);
  const exchange = broker.exchange(vhost, source);
  if (exchange?.routesAs === 'topic') checkTopicAccess(scope, 'read', source, routingKey, method);
  const isExchange = exchange !== undefined;
  const isQueue = broker.topic(destination, vhost) !== undefined;
  // What does not exist is not bound: RabbitMQ answers ok.
  if (!isBind && !(isExchange && isQueue)) return;
  if (!isExchange) throw notFound('exchange', source, vhost, method);
  if (!isQueue) throw notFound('queue', destination, vhost, method);
  // Whether it is another's queue matters after the arguments, and to unbind only where there is such a binding: the broker looks.
  const binding = { source, destination, destinationKind: 'queue', routingKey, arguments: command.arguments } as const;
  await (isBind ? broker.bind(vhost, binding, connection) : broker.unbind(vhost, binding, connection));
}

/** queue.purge. Returns how many messages went. @throws AmqpError; rejects with a BrokerError. */
export async function purgeQueue(scope: ChannelScope, queue: string): Promise<number> {
  checkAccess(scope, 'read', 'queue', queue, Method.queuePurge);
  const found = usableQueue(scope, queue, Method.queuePurge);
  const { vhost } = scope.session;
  if (isStream(found.settings)) throw notOfStreams('queue.purge', queue, vhost, Method.queuePurge);
  return await scope.context.ports.broker.purge(queue, vhost);
}

/** queue.delete. Returns how many messages went with it. @throws AmqpError; rejects with a BrokerError. */
export async function deleteQueue(scope: ChannelScope, command: QueueDeleteCommand, queue: string): Promise<number> {
  const { broker } = scope.context.ports;
  const { vhost, connection } = scope.session;
  const name = cleanName(queue);
  checkAccess(scope, 'configure', 'queue', name, Method.queueDelete);
  if (broker.topic(name, vhost) === undefined) return 0;
  const found = usableQueue(scope, name, Method.queueDelete);
  // RabbitMQ deletes a stream whoever reads it and whatever it holds.
  const { ifUnused, ifEmpty } = isStream(found.settings) ? { ifUnused: false, ifEmpty: false } : command;
  return await broker.deleteQueue(vhost, name, { ifUnused, ifEmpty, connection });
}

/** 540 with RabbitMQ's words, for what takes messages out of a queue. */
export function notOfStreams(method: string, name: string, vhost: string, id: MethodId): AmqpError {
  return new AmqpError(
    'not-implemented',
    `${method} not supported by stream queues ${resourceText('queue', name, vhost)}`,
    id,
  );
}
