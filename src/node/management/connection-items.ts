/** Connections, channels and consumers as RabbitMQ's API shows them. */
import type { AmqpChannelFacts, AmqpConnectionFacts, AmqpConsumerFacts } from '../../doors/amqp/index.js';
import type { JsonObject } from '../../doors/management/json.js';
import type { ListShape } from '../../doors/management/lists.js';
import { tableToJson } from '../../doors/management/tables.js';
import type { NativeSessionFacts } from '../../doors/ws/index.js';
import type { TlsSession } from '../../io/tls/port.js';
import type { ShardInspection } from './inspection.js';
import { withRates } from './message-stats.js';
import type { Rates } from './rates.js';

/** What items are made of. */
export interface ConnectionContext {
  readonly nodeName: string;
  readonly host: string;
  /** Ports by protocol. */
  readonly ports: { readonly amqp: number; readonly amqps: number; readonly http: number };
  readonly rates: Rates;
}

/** A connection of any door, with what the API calls it. */
export type ConnectionRow =
  | { readonly door: 'amqp'; readonly name: string; readonly port: number; readonly facts: AmqpConnectionFacts }
  | { readonly door: 'native'; readonly name: string; readonly port: number; readonly facts: NativeSessionFacts };

/** A channel of a connection. */
export interface ChannelRow {
  readonly connection: ConnectionRow & { readonly door: 'amqp' };
  readonly channel: AmqpChannelFacts;
}

/** A consumer of a channel. */
export interface ConsumerRow extends ChannelRow {
  readonly consumer: AmqpConsumerFacts;
}

/** The connections of all shards. */
export function connectionRows(inspections: readonly ShardInspection[], context: ConnectionContext): ConnectionRow[] {
  return inspections.flatMap(({ amqp, native }) => [
    ...amqp.map((facts): ConnectionRow => {
      const { tls, remotePort } = facts;
      const isWeb = remotePort === undefined;
      const port = isWeb ? context.ports.http : tls === undefined ? context.ports.amqp : context.ports.amqps;
      return { door: 'amqp', name: nameOf(facts, port, context), port, facts };
    }),
    ...native.map((facts): ConnectionRow => {
      const { http } = context.ports;
      return { door: 'native', name: nameOf({ ...facts, remotePort: undefined }, http, context), port: http, facts };
    }),
  ]);
}

/** As RabbitMQ names connections. Where the way in does not tell the peer's port, the node's own name of the connection makes it unique. */
function nameOf(
  facts: { readonly id: string; readonly remoteAddress: string; readonly remotePort: number | undefined },
  port: number,
  { host }: ConnectionContext,
): string {
  return `${bracketed(facts.remoteAddress)}:${facts.remotePort ?? facts.id} -> ${bracketed(host)}:${port}`;
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** Key of a connection's samples. */
export function connectionKey({ facts }: ConnectionRow): string {
  return `connection ${facts.id}`;
}

/** Bytes that went both ways: what a connection's rates are of. */
export function connectionSample({ facts }: ConnectionRow): number[] {
  return [facts.receivedBytes, facts.sentBytes];
}

/** Everything that is told of a connection. */
export function connectionItem(row: ConnectionRow, context: ConnectionContext): JsonObject {
  const { facts, name, port } = row;
  const rate = context.rates.of(connectionKey(row));
  return {
    name,
    node: context.nodeName,
    type: 'network',
    user: facts.user,
    user_who_performed_action: facts.user,
    vhost: facts.vhost,
    host: context.host,
    port,
    peer_host: facts.remoteAddress,
    peer_port: row.door === 'amqp' ? (row.facts.remotePort ?? 0) : 0,
    connected_at: facts.connectedMs,
    ...withRates([
      ['recv_oct', facts.receivedBytes, rate(0)],
      ['send_oct', facts.sentBytes, rate(1)],
    ]),
    ...tlsFacts(facts.tls),
    ...(row.door === 'amqp' ? amqpPart(row.facts) : nativePart(row.facts)),
  };
}

function amqpPart(facts: AmqpConnectionFacts): JsonObject {
  const properties = tableToJson(facts.clientProperties);
  const name = properties['connection_name'];
  return {
    protocol: 'AMQP 0-9-1',
    auth_mechanism: facts.mechanism,
    state: facts.state,
    channels: facts.channelCount,
    channel_max: facts.channelMax,
    frame_max: facts.frameMaxBytes,
    timeout: facts.heartbeatSeconds,
    client_properties: properties,
    ...(typeof name === 'string' ? { user_provided_name: name } : {}),
    recv_cnt: facts.receivedReads,
    send_cnt: facts.sentWrites,
    send_pend: facts.pendingBytes,
  };
}

function nativePart(facts: NativeSessionFacts): JsonObject {
  return {
    protocol: 'Duolog 1',
    auth_mechanism: '',
    state: 'running',
    channels: 0,
    channel_max: 0,
    frame_max: 0,
    timeout: 0,
    client_properties: {},
    recv_cnt: 0,
    send_cnt: 0,
    send_pend: facts.pendingBytes,
  };
}

function tlsFacts(tls: TlsSession | undefined): JsonObject {
  const certificate = tls?.certificate;
  const validity =
    certificate === undefined
      ? null
      : `${new Date(certificate.notBeforeMs).toISOString()} - ${new Date(certificate.notAfterMs).toISOString()}`;
  return {
    ssl: tls !== undefined,
    ssl_protocol: tls?.protocol ?? null,
    ssl_cipher: tls?.cipher ?? null,
    ssl_key_exchange: null,
    ssl_hash: null,
    peer_cert_subject: certificate?.subject ?? null,
    peer_cert_issuer: certificate?.issuer ?? null,
    peer_cert_validity: validity,
  };
}

/** The channels of connections. */
export function channelRows(connections: readonly ConnectionRow[]): ChannelRow[] {
  return connections.flatMap((connection) =>
    connection.door === 'amqp' ? connection.facts.channels.map((channel) => ({ connection, channel })) : [],
  );
}

/** What a channel is called. */
export function channelName({ connection, channel }: ChannelRow): string {
  return `${connection.name} (${channel.number})`;
}

/** Everything that is told of a channel. */
export function channelItem(row: ChannelRow, { nodeName }: ConnectionContext): JsonObject {
  const { connection, channel } = row;
  const { facts } = connection;
  return {
    name: channelName(row),
    node: nodeName,
    number: channel.number,
    user: facts.user,
    user_who_performed_action: facts.user,
    vhost: facts.vhost,
    state: facts.state === 'blocked' ? 'flow' : facts.state,
    confirm: channel.isConfirming,
    transactional: channel.isTransactional,
    consumer_count: channel.consumerCount,
    prefetch_count: channel.prefetch,
    global_prefetch_count: channel.channelPrefetch,
    messages_unacknowledged: channel.unacknowledged,
    messages_unconfirmed: channel.unconfirmed,
    messages_uncommitted: channel.uncommittedPublishes,
    acks_uncommitted: channel.uncommittedSettles,
    pending_raft_commands: 0,
    connection_details: { name: connection.name, peer_host: facts.remoteAddress, peer_port: facts.remotePort ?? 0 },
    message_stats: withRates([
      ['publish', channel.published, 0],
      ['confirm', channel.confirmed, 0],
      ['deliver_get', channel.delivered, 0],
    ]),
  };
}

/** The consumers of channels. */
export function consumerRows(channels: readonly ChannelRow[]): ConsumerRow[] {
  return channels.flatMap((row) => row.channel.consumers.map((consumer) => ({ ...row, consumer })));
}

/** Everything that is told of a consumer. */
export function consumerItem(row: ConsumerRow, { nodeName }: ConnectionContext): JsonObject {
  const { connection, channel, consumer } = row;
  const { facts } = connection;
  return {
    consumer_tag: consumer.tag,
    queue: { name: consumer.queue, vhost: facts.vhost },
    ack_required: consumer.isAcknowledging,
    exclusive: consumer.isExclusive,
    active: true,
    activity_status: 'up',
    prefetch_count: consumer.prefetch,
    arguments: consumer.priority === 0 ? {} : { 'x-priority': consumer.priority },
    channel_details: {
      connection_name: connection.name,
      name: channelName(row),
      node: nodeName,
      number: channel.number,
      peer_host: facts.remoteAddress,
      peer_port: facts.remotePort ?? 0,
      user: facts.user,
    },
  };
}

/** Lists of connections. */
export function connectionShape(context: ConnectionContext): ListShape<ConnectionRow> {
  return { order: ['vhost', 'name'], name: ({ name }) => name, item: (row) => connectionItem(row, context) };
}

/** Lists of channels. */
export function channelShape(context: ConnectionContext): ListShape<ChannelRow> {
  return { order: ['vhost', 'name'], name: channelName, item: (row) => channelItem(row, context) };
}

/** Lists of consumers. */
export function consumerShape(context: ConnectionContext): ListShape<ConsumerRow> {
  return {
    order: ['queue.vhost', 'queue.name', 'consumer_tag'],
    name: ({ consumer }) => consumer.tag,
    item: (row) => consumerItem(row, context),
  };
}
