/** The client of Duolog for Node and browsers; docs/client.md is its guide. */

export { setCodec } from '../record/codec.js';
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
export { Broadcast, type BroadcastOptions, type Missed } from './broadcast.js';
export { Client, connect, type DeleteOptions, type PublishOptions } from './client.js';
export { type ConsumeOptions, Consumer, type DeliveryHandler } from './consumer.js';
export { Delivery, type NackOptions } from './delivery.js';
export { ClientError, type ClientErrorCode } from './errors.js';
export { Exchange } from './exchange.js';
export type {
  BindingFilter,
  BindingSettings,
  ExchangeDescription,
  ExchangeSettings,
  ExchangeType,
  RouteExplanation,
  RouteMatch,
  RouteStep,
} from './exchanges.js';
export type { FetchedRecords, FetchOptions } from './fetching.js';
export { Follower, type FollowFrom, type FollowOptions } from './follower.js';
export type { GetOptions } from './getter.js';
export type { DelayedCount, UnackedHolder } from './held.js';
export { createOnce, type MemoryOnceOptions, memoryOnceStore, type Once, type OnceStore } from './once.js';
export type { ConnectOptions, ReconnectOptions, TokenProvider } from './options.js';
export type { Bytes, DurabilityName, Outgoing, OutgoingMessage } from './outgoing.js';
export type { ListedOffset, PartitionOffset, ReadFrom } from './positions.js';
export { Producer, type ProducerOptions, type SendOptions } from './producer.js';
export { type SubscribeOptions, Subscription } from './queue-subscription.js';
export { Reader, type ReaderOptions } from './reader.js';
export type { Receipt } from './receipts.js';
export { ReceivedMessage, ReceivedRecord } from './received.js';
export type { RequestOptions } from './requests.js';
export type {
  DeadLetter,
  MessageOrigin,
  MessageProperties,
  ReceivedProperties,
  RoutedOutgoing,
  RoutedPublishOptions,
} from './routed-message.js';
export type { RoutedReceipt } from './routed-publisher.js';
export type { AskOptions, Reply, RequestHandler, RequestTarget } from './rpc.js';
export type { ConnectionState, StateChange, Welcome } from './session.js';
export type { Transaction, TransactionPublishOptions, TransactionReceipt } from './transaction.js';
export type { OpenTransport, Transport, TransportEvents } from './transport.js';
export type { Fields, FieldValue } from './values.js';
export type { ClientTlsOptions, WebSocketFactory, WebSocketLike } from './websocket.js';
