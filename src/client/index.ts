/** The client of Duolog for Node and browsers; docs/client.md is its guide. */
export type {
  Description,
  Listing,
  ListOptions,
  NodeStatus,
  PartitionDescription,
  QueueSettings,
  ShardStatus,
  StartPoint,
  TopicSettings,
} from './admin.js';
export { Client, connect, type PublishOptions } from './client.js';
export { Delivery, type NackOptions } from './delivery.js';
export { ClientError, type ClientErrorCode } from './errors.js';
export type { ConnectOptions, ReconnectOptions } from './options.js';
export type { Bytes, DurabilityName, Outgoing, OutgoingMessage } from './outgoing.js';
export { Producer, type ProducerOptions, type SendOptions } from './producer.js';
export { type SubscribeOptions, Subscription } from './queue-subscription.js';
export type { Receipt } from './receipts.js';
export { ReceivedMessage, ReceivedRecord } from './received.js';
export type { RequestOptions } from './requests.js';
export type { ConnectionState, StateChange, Welcome } from './session.js';
export type { OpenTransport, Transport, TransportEvents } from './transport.js';
export type { WebSocketFactory, WebSocketLike } from './websocket.js';
