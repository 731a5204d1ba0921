import { FieldReader, FieldWriter, type Table } from './fields.js';

/** The fields of a method by name. */
export type Fields = Readonly<Record<string, string | number | boolean | Table>>;

/** A method as it stands in the specification. */
export interface MethodLayout {
  readonly name: string;
  readonly classId: number;
  readonly methodId: number;
  readonly fields: readonly (readonly [name: string, type: string])[];
}

// AMQP 0-9-1 and RabbitMQ's extensions: class, method, name, then each field with its type (o octet, s short, l long, L longlong, t short string, T
// long string, b bit, F table).
const SPECIFICATION = `
10 10 connection.start versionMajor:o versionMinor:o serverProperties:F mechanisms:T locales:T
10 11 connection.start-ok clientProperties:F mechanism:t response:T locale:t
10 30 connection.tune channelMax:s frameMax:l heartbeat:s
10 31 connection.tune-ok channelMax:s frameMax:l heartbeat:s
10 40 connection.open virtualHost:t reserved1:t reserved2:b
10 41 connection.open-ok reserved1:t
10 50 connection.close replyCode:s replyText:t classId:s methodId:s
10 51 connection.close-ok
10 60 connection.blocked reason:t
10 61 connection.unblocked
20 10 channel.open reserved1:t
20 11 channel.open-ok reserved1:T
20 20 channel.flow active:b
20 21 channel.flow-ok active:b
20 40 channel.close replyCode:s replyText:t classId:s methodId:s
20 41 channel.close-ok
30 10 access.request realm:t exclusive:b passive:b active:b write:b read:b
30 11 access.request-ok ticket:s
40 10 exchange.declare reserved1:s exchange:t type:t passive:b durable:b autoDelete:b internal:b nowait:b arguments:F
40 11 exchange.declare-ok
40 20 exchange.delete reserved1:s exchange:t ifUnused:b nowait:b
40 21 exchange.delete-ok
40 30 exchange.bind reserved1:s destination:t source:t routingKey:t nowait:b arguments:F
40 31 exchange.bind-ok
40 40 exchange.unbind reserved1:s destination:t source:t routingKey:t nowait:b arguments:F
40 51 exchange.unbind-ok
50 10 queue.declare reserved1:s queue:t passive:b durable:b exclusive:b autoDelete:b nowait:b arguments:F
50 11 queue.declare-ok queue:t messageCount:l consumerCount:l
50 20 queue.bind reserved1:s queue:t exchange:t routingKey:t nowait:b arguments:F
50 21 queue.bind-ok
50 50 queue.unbind reserved1:s queue:t exchange:t routingKey:t arguments:F
50 51 queue.unbind-ok
50 30 queue.purge reserved1:s queue:t nowait:b
50 31 queue.purge-ok messageCount:l
50 40 queue.delete reserved1:s queue:t ifUnused:b ifEmpty:b nowait:b
50 41 queue.delete-ok messageCount:l
60 10 basic.qos prefetchSize:l prefetchCount:s global:b
60 11 basic.qos-ok
60 20 basic.consume reserved1:s queue:t consumerTag:t noLocal:b noAck:b exclusive:b nowait:b arguments:F
60 21 basic.consume-ok consumerTag:t
60 30 basic.cancel consumerTag:t nowait:b
60 31 basic.cancel-ok consumerTag:t
60 40 basic.publish reserved1:s exchange:t routingKey:t mandatory:b immediate:b
60 50 basic.return replyCode:s replyText:t exchange:t routingKey:t
60 60 basic.deliver consumerTag:t deliveryTag:L redelivered:b exchange:t routingKey:t
60 70 basic.get reserved1:s queue:t noAck:b
60 71 basic.get-ok deliveryTag:L redelivered:b exchange:t routingKey:t messageCount:l
60 72 basic.get-empty reserved1:t
60 80 basic.ack deliveryTag:L multiple:b
60 90 basic.reject deliveryTag:L requeue:b
60 100 basic.recover-async requeue:b
60 110 basic.recover requeue:b
60 111 basic.recover-ok
60 120 basic.nack deliveryTag:L multiple:b requeue:b
85 10 confirm.select nowait:b
85 11 confirm.select-ok
90 10 tx.select
90 11 tx.select-ok
90 20 tx.commit
90 21 tx.commit-ok
90 30 tx.rollback
90 31 tx.rollback-ok
`;

const layouts: readonly MethodLayout[] = SPECIFICATION.trim()
  .split('\n')
  .map((line) => {
    const [classId, methodId, name, ...fields] = line.split(' ');
    const pairs = fields.map((field) => field.split(':') as [string, string]);
    return { name: name ?? '', classId: Number(classId), methodId: Number(methodId), fields: pairs };
  });
const byName = new Map(layouts.map((layout) => [layout.name, layout]));
const byIds = new Map(layouts.map((layout) => [layout.classId * 65536 + layout.methodId, layout]));

/** Methods that have content. */
export const CARRIES_CONTENT: ReadonlySet<string> = new Set(['basic.return', 'basic.deliver', 'basic.get-ok']);
/** Methods that come without having been asked for. */
export const COMES_UNASKED: ReadonlySet<string> = new Set([
  'basic.deliver',
  'basic.return',
  'basic.ack',
  'basic.nack',
  'basic.cancel',
  'channel.flow',
]);

/** Whether a broker answers this method (unless `nowait` is set). */
export function hasReply(name: string): boolean {
  return byName.has(`${name}-ok`);
}

/** The payload of a method frame. Fields that are not given are zero, false or empty. */
export function encodeMethod(name: string, fields: Fields): Buffer {
  const layout = byName.get(name);
  if (layout === undefined) throw new Error(`No such method: ${name}`);
  const writer = new FieldWriter();
  writer.number(2, layout.classId);
  writer.number(2, layout.methodId);
  let bits = 0;
  let bitCount = 0;
  const endBits = () => {
    if (bitCount > 0) writer.number(1, bits);
    bits = 0;
    bitCount = 0;
  };
  for (const [field, type] of layout.fields) {
    const value = fields[field];
    if (type === 'b') {
      if (value === true) bits |= 1 << bitCount;
      bitCount += 1;
      continue;
    }
    endBits();
    if (type === 't') writer.short(String(value ?? ''));
    else if (type === 'T') writer.long(String(value ?? ''));
    else if (type === 'F') writer.table((value ?? {}) as Table);
    else writer.number({ o: 1, s: 2, l: 4, L: 8 }[type] ?? 1, Number(value ?? 0));
  }
  endBits();
  return writer.bytes();
}

/** Reads the payload of a method frame. @throws on methods that are unknown and on bytes too few or too many. */
export function decodeMethod(payload: Buffer): {
  layout: MethodLayout;
  fields: Record<string, string | number | boolean | Table>;
} {
  const reader = new FieldReader(payload);
  const ids = reader.number(2) * 65536 + reader.number(2);
  const layout = byIds.get(ids);
  if (layout === undefined) throw new Error(`The broker sent the unknown method ${ids >>> 16}.${ids & 0xffff}`);
  const fields: Record<string, string | number | boolean | Table> = {};
  let bits = 0;
  let bitCount = 8;
  for (const [field, type] of layout.fields) {
    if (type === 'b') {
      if (bitCount === 8) {
        bits = reader.number(1);
        bitCount = 0;
      }
      fields[field] = (bits & (1 << bitCount)) !== 0;
      bitCount += 1;
      continue;
    }
    bitCount = 8;
    if (type === 't') fields[field] = reader.short();
    else if (type === 'T') fields[field] = reader.long().toString();
    else if (type === 'F') fields[field] = reader.table();
    else if (type === 'L') fields[field] = Number(reader.big());
    else fields[field] = reader.number({ o: 1, s: 2, l: 4 }[type] ?? 1);
  }
  if (reader.left > 0) throw new Error(`${layout.name} has ${reader.left} bytes too many`);
  return { layout, fields };
}

/** The properties of a message by name; numbers of eight bytes as text. */
export interface Properties {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly headers?: Table;
  readonly deliveryMode?: number;
  readonly priority?: number;
  readonly correlationId?: string;
  readonly replyTo?: string;
  readonly expiration?: string;
  readonly messageId?: string;
  readonly timestamp?: string;
  readonly type?: string;
  readonly userId?: string;
  readonly appId?: string;
  readonly clusterId?: string;
}

const PROPERTIES: readonly (readonly [name: keyof Properties, type: 't' | 'F' | 'o' | 'L'])[] = [
  ['contentType', 't'],
  ['contentEncoding', 't'],
  ['headers', 'F'],
  ['deliveryMode', 'o'],
  ['priority', 'o'],
  ['correlationId', 't'],
  ['replyTo', 't'],
  ['expiration', 't'],
  ['messageId', 't'],
  ['timestamp', 'L'],
  ['type', 't'],
  ['userId', 't'],
  ['appId', 't'],
  ['clusterId', 't'],
];

/** The payload of a header frame of class basic. */
export function encodeHeader(bodySize: number, properties: Properties): Buffer {
  const writer = new FieldWriter();
  writer.number(2, 60);
  writer.number(2, 0);
  writer.number(8, bodySize);
  let flags = 0;
  for (const [index, [name]] of PROPERTIES.entries()) if (properties[name] !== undefined) flags |= 1 << (15 - index);
  writer.number(2, flags);
  for (const [name, type] of PROPERTIES) {
    const value = properties[name];
    if (value === undefined) continue;
    if (type === 't') writer.short(String(value));
    else if (type === 'F') writer.table(value as Table);
    else if (type === 'o') writer.number(1, Number(value));
    else writer.number(8, BigInt(value as string));
  }
  return writer.bytes();
}

/** Reads the payload of a header frame. @throws on what a strict client would refuse. */
export function decodeHeader(payload: Buffer): { bodySize: number; properties: Properties } {
  const reader = new FieldReader(payload);
  const classId = reader.number(2);
  if (classId !== 60) throw new Error(`A content header of class ${classId}`);
  if (reader.number(2) !== 0) throw new Error('A content header with a weight');
  const bodySize = Number(reader.big());
  const flags = reader.number(2);
  if ((flags & 3) !== 0) throw new Error(`Property flags ${flags.toString(16)}`);
  const properties: Record<string, unknown> = {};
  for (const [index, [name, type]] of PROPERTIES.entries()) {
    if ((flags & (1 << (15 - index))) === 0) continue;
    if (type === 't') properties[name] = reader.short();
    else if (type === 'F') properties[name] = reader.table();
    else if (type === 'o') properties[name] = reader.number(1);
    else properties[name] = String(reader.big());
  }
  if (reader.left > 0) throw new Error(`A content header has ${reader.left} bytes too many`);
  return { bodySize, properties };
}
