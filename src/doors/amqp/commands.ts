import { ByteReader } from '../../base/bytes.js';
import { copyOf } from '../../base/copy.js';
import { DecodeError } from '../../base/errors.js';
import { decodeTable, type FieldTable } from '../../record/amqp/field-table.js';
import { AmqpError } from './errors.js';
import { isMethod, Method, type MethodId, methodName } from './methods.js';

/** Arguments of a method, and the table as it came: a copy, without its length. */
interface WithArguments {
  readonly arguments: Uint8Array;
  readonly table: FieldTable;
}

/** A method from the client other than the hot ones (publish, ack, nack, reject), which are read in place. */
export type Command =
  | {
      readonly kind: 'start-ok';
      readonly properties: FieldTable;
      readonly mechanism: string;
      readonly response: Uint8Array;
    }
  | { readonly kind: 'secure-ok' }
  | { readonly kind: 'tune-ok'; readonly channelMax: number; readonly frameMax: number; readonly heartbeat: number }
  | { readonly kind: 'open'; readonly vhost: string }
  | { readonly kind: 'close'; readonly code: number; readonly text: string }
  | { readonly kind: 'close-ok' }
  | { readonly kind: 'update-secret'; readonly secret: Uint8Array; readonly reason: string }
  | { readonly kind: 'channel-open' }
  | { readonly kind: 'flow'; readonly active: boolean }
  | { readonly kind: 'flow-ok' }
  | { readonly kind: 'channel-close'; readonly code: number; readonly text: string }
  | { readonly kind: 'channel-close-ok' }
  | { readonly kind: 'access-request' }
  | ExchangeDeclareCommand
  | {
      readonly kind: 'exchange-delete';
      readonly exchange: string;
      readonly ifUnused: boolean;
      readonly noWait: boolean;
    }
  | ExchangeBindCommand
  | QueueDeclareCommand
  | QueueBindCommand
  | { readonly kind: 'queue-purge'; readonly queue: string; readonly noWait: boolean }
  | QueueDeleteCommand
  | { readonly kind: 'qos'; readonly prefetchSize: number; readonly prefetchCount: number; readonly global: boolean }
  | ConsumeCommand
  | { readonly kind: 'cancel'; readonly consumerTag: string; readonly noWait: boolean }
  | { readonly kind: 'cancel-ok'; readonly consumerTag: string }
  | { readonly kind: 'get'; readonly queue: string; readonly noAck: boolean }
  | { readonly kind: 'recover'; readonly requeue: boolean; readonly isAsync: boolean }
  | { readonly kind: 'confirm-select'; readonly noWait: boolean }
  | { readonly kind: 'tx-select' }
  | { readonly kind: 'tx-commit' }
  | { readonly kind: 'tx-rollback' };

/** exchange.declare. */
export interface ExchangeDeclareCommand extends WithArguments {
  readonly kind: 'exchange-declare';
  readonly exchange: string;
  readonly type: string;
  readonly passive: boolean;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  readonly noWait: boolean;
}

/** exchange.bind and exchange.unbind. */
export interface ExchangeBindCommand extends WithArguments {
  readonly kind: 'exchange-bind' | 'exchange-unbind';
  readonly destination: string;
  readonly source: string;
  readonly routingKey: string;
  readonly noWait: boolean;
}

/** queue.declare. */
export interface QueueDeclareCommand extends WithArguments {
  readonly kind: 'queue-declare';
  readonly queue: string;
  readonly passive: boolean;
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly noWait: boolean;
}

/** queue.bind and queue.unbind. */
export interface QueueBindCommand extends WithArguments {
  readonly kind: 'queue-bind' | 'queue-unbind';
  readonly queue: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly noWait: boolean;
}

/** queue.delete. */
export interface QueueDeleteCommand {
  readonly kind: 'queue-delete';
  readonly queue: string;
  readonly ifUnused: boolean;
  readonly ifEmpty: boolean;
  readonly noWait: boolean;
}

/** basic.consume. */
export interface ConsumeCommand extends WithArguments {
  readonly kind: 'consume';
  readonly queue: string;
  readonly consumerTag: string;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  readonly noWait: boolean;
}

const reader = new ByteReader(new Uint8Array(0));

/**
 * The method whose arguments are from `at` to `end`. What it holds is its own.
 * @throws AmqpError `command-invalid` for a method that clients do not send, `frame-error` for arguments that end too soon, `syntax-error` for a
 * table that is none.
 */
export function readCommand(method: MethodId, bytes: Uint8Array, at: number, end: number): Command {
  const read = readers.get(method);
  if (read === undefined) {
    const reason = isMethod(method) ? 'clients do not send it' : 'unknown method';
    throw new AmqpError('command-invalid', `${methodName(method)}: ${reason}`, isMethod(method) ? method : 0);
  }
  reader.reset(bytes, at, end);
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown;
    const text = `cannot decode the arguments of ${methodName(method)}: ${thrown.message}`;
    throw new AmqpError(thrown.code === 'truncated' ? 'frame-error' : 'syntax-error', text, method);
  }
}

function short(): string {
  return reader.utf8(reader.u8());
}

function long(): Uint8Array {
  return reader.copy(reader.u32());
}

/** A table; what is wrong inside is no shortage of the frame. */
function table(): WithArguments {
  const bytes = copyOf(reader.view(reader.u32()));
  try {
    return { arguments: bytes, table: decodeTable(bytes) };
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown;
    throw new DecodeError('invalid', thrown.message, thrown);
  }
}

function bit(octet: number, index: number): boolean {
  return (octet & (1 << index)) !== 0;
}

/** The ticket that AMQP 0-8 had; clients send 0. */
function skipTicket(): void {
  reader.skip(2);
}

function readStartOk(): Command {
  const properties = table().table;
  const mechanism = short();
  const response = long();
  short();
  return { kind: 'start-ok', properties, mechanism, response };
}

function readTuneOk(): Command {
  return { kind: 'tune-ok', channelMax: reader.u16(), frameMax: reader.u32(), heartbeat: reader.u16() };
}

function readClose(kind: 'close' | 'channel-close'): Command {
  const code = reader.u16();
  const text = short();
  reader.skip(4);
  return { kind, code, text };
}

function readExchangeDeclare(): Command {
  skipTicket();
  const exchange = short();
  const type = short();
  const bits = reader.u8();
  return {
    kind: 'exchange-declare',
    exchange,
    type,
    passive: bit(bits, 0),
    durable: bit(bits, 1),
    autoDelete: bit(bits, 2),
    internal: bit(bits, 3),
    noWait: bit(bits, 4),
    ...table(),
  };
}

function readExchangeDelete(): Command {
  skipTicket();
  const exchange = short();
  const bits = reader.u8();
  return { kind: 'exchange-delete', exchange, ifUnused: bit(bits, 0), noWait: bit(bits, 1) };
}

function readExchangeBind(kind: ExchangeBindCommand['kind']): Command {
  skipTicket();
  const destination = short();
  const source = short();
  const routingKey = short();
  const noWait = bit(reader.u8(), 0);
  return { kind, destination, source, routingKey, noWait, ...table() };
}

function readQueueDeclare(): Command {
  skipTicket();
  const queue = short();
  const bits = reader.u8();
  return {
    kind: 'queue-declare',
    queue,
    passive: bit(bits, 0),
    durable: bit(bits, 1),
    exclusive: bit(bits, 2),
    autoDelete: bit(bits, 3),
    noWait: bit(bits, 4),
    ...table(),
  };
}

function readQueueBind(kind: QueueBindCommand['kind']): Command {
  skipTicket();
  const queue = short();
  const exchange = short();
  const routingKey = short();
  // queue.unbind has no no-wait.
  const noWait = kind === 'queue-bind' && bit(reader.u8(), 0);
  return { kind, queue, exchange, routingKey, noWait, ...table() };
}

function readQueuePurge(): Command {
  skipTicket();
  const queue = short();
  return { kind: 'queue-purge', queue, noWait: bit(reader.u8(), 0) };
}

function readQueueDelete(): Command {
  skipTicket();
  const queue = short();
  const bits = reader.u8();
  return { kind: 'queue-delete', queue, ifUnused: bit(bits, 0), ifEmpty: bit(bits, 1), noWait: bit(bits, 2) };
}

function readQos(): Command {
  return { kind: 'qos', prefetchSize: reader.u32(), prefetchCount: reader.u16(), global: bit(reader.u8(), 0) };
}

function readConsume(): Command {
  skipTicket();
  const queue = short();
  const consumerTag = short();
  const bits = reader.u8();
  return {
    kind: 'consume',
    queue,
    consumerTag,
    // Bit 0 is no-local, which RabbitMQ ignores as well.
    noAck: bit(bits, 1),
    exclusive: bit(bits, 2),
    noWait: bit(bits, 3),
    ...table(),
  };
}

function readGet(): Command {
  skipTicket();
  const queue = short();
  return { kind: 'get', queue, noAck: bit(reader.u8(), 0) };
}

const readers = new Map<MethodId, () => Command>([
  [Method.connectionStartOk, readStartOk],
  [Method.connectionSecureOk, () => ({ kind: 'secure-ok' })],
  [Method.connectionTuneOk, readTuneOk],
  [Method.connectionOpen, () => ({ kind: 'open', vhost: short() })],
  [Method.connectionClose, () => readClose('close')],
  [Method.connectionCloseOk, () => ({ kind: 'close-ok' })],
  [Method.connectionUpdateSecret, () => ({ kind: 'update-secret', secret: long(), reason: short() })],
  [Method.channelOpen, () => ({ kind: 'channel-open' })],
  [Method.channelFlow, () => ({ kind: 'flow', active: bit(reader.u8(), 0) })],
  [Method.channelFlowOk, () => ({ kind: 'flow-ok' })],
  [Method.channelClose, () => readClose('channel-close')],
  [Method.channelCloseOk, () => ({ kind: 'channel-close-ok' })],
  [Method.accessRequest, () => ({ kind: 'access-request' })],
  [Method.exchangeDeclare, readExchangeDeclare],
  [Method.exchangeDelete, readExchangeDelete],
  [Method.exchangeBind, () => readExchangeBind('exchange-bind')],
  [Method.exchangeUnbind, () => readExchangeBind('exchange-unbind')],
  [Method.queueDeclare, readQueueDeclare],
  [Method.queueBind, () => readQueueBind('queue-bind')],
  [Method.queueUnbind, () => readQueueBind('queue-unbind')],
  [Method.queuePurge, readQueuePurge],
  [Method.queueDelete, readQueueDelete],
  [Method.basicQos, readQos],
  [Method.basicConsume, readConsume],
  [Method.basicCancel, () => ({ kind: 'cancel', consumerTag: short(), noWait: bit(reader.u8(), 0) })],
  [Method.basicCancelOk, () => ({ kind: 'cancel-ok', consumerTag: short() })],
  [Method.basicGet, readGet],
  [Method.basicRecover, () => ({ kind: 'recover', requeue: bit(reader.u8(), 0), isAsync: false })],
  [Method.basicRecoverAsync, () => ({ kind: 'recover', requeue: bit(reader.u8(), 0), isAsync: true })],
  [Method.confirmSelect, () => ({ kind: 'confirm-select', noWait: bit(reader.u8(), 0) })],
  [Method.txSelect, () => ({ kind: 'tx-select' })],
  [Method.txCommit, () => ({ kind: 'tx-commit' })],
  [Method.txRollback, () => ({ kind: 'tx-rollback' })],
]);
