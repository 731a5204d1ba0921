/** What a session can be asked, checked: the closed union that frames become, in whichever form they came. */
import type { Binding, ExchangeDeclaration, QueueDeclaration } from '../../broker/model.js';
import type {
  CommittedOffset,
  Declaration,
  DurabilityLevel,
  OutgoingMessage,
  PartitionPosition,
  ProducerStamp,
  SettleOutcome,
  StartAt,
} from '../../broker/ports.js';

/** Where a subscription starts; `committed` is where the group stopped. */
export type StartPoint = StartAt | { readonly at: 'committed' };

/** What a queue of the RabbitMQ model is declared with; the session adds who declares. */
export type QueueModelSettings = Pick<QueueDeclaration, 'durable' | 'exclusive' | 'autoDelete' | 'arguments'>;

/** The opening of a session. */
export interface HelloCommand {
  readonly kind: 'hello';
  readonly version: number;
  readonly clientName: string;
  readonly clientVersion: string;
  readonly user: string;
  readonly password: string;
  readonly token: string;
  /** Of requests that name none. */
  readonly vhost: string;
  /** The session to go on with, if that is wanted. */
  readonly resumeSession: Uint8Array | undefined;
  /** How long the session is to outlive its connection; 0 = not at all. */
  readonly resumeWindowMs: number;
  /** The last tag that has arrived, by subscription. */
  readonly received: ReadonlyMap<number, number>;
}

/** Stores messages, or one finished batch. */
export interface PublishCommand {
  readonly kind: 'publish';
  readonly to: string;
  readonly vhost: string;
  readonly partition: number | undefined;
  /** Views into the frame: valid only while it is handled. Empty when there is a batch. */
  readonly messages: readonly OutgoingMessage[];
  /** A view into the frame. */
  readonly batch: Uint8Array | undefined;
  /** Undefined: what the topic was declared with. */
  readonly level: DurabilityLevel | undefined;
  readonly producer: ProducerStamp | undefined;
}

/** One message of a publish to an exchange. */
export interface RoutedPart {
  readonly routingKey: string;
  /** A view into the frame: valid only while it is handled. */
  readonly value: Uint8Array;
  /** As AMQP encodes them. */
  readonly properties: Uint8Array;
  /** 0 = at once. */
  readonly delayMs: number;
  /** Milliseconds since 1970; 0 = at once. */
  readonly deliverAtMs: number;
}

/** Has messages routed. */
export interface PublishRoutedCommand {
  readonly kind: 'publish-routed';
  readonly exchange: string;
  readonly vhost: string;
  readonly persistent: boolean;
  readonly mandatory: boolean;
  readonly messages: readonly RoutedPart[];
}

/** Declares an exchange. */
export interface DeclareExchangeCommand {
  readonly kind: 'declare-exchange';
  readonly declaration: ExchangeDeclaration;
}

/** Deletes an exchange. */
export interface DeleteExchangeCommand {
  readonly kind: 'delete-exchange';
  readonly vhost: string;
  readonly name: string;
  readonly ifUnused: boolean;
}

/** Makes or ends a binding. */
export interface BindCommand {
  readonly kind: 'bind' | 'unbind';
  readonly vhost: string;
  readonly binding: Binding;
}

/** Lists exchanges. */
export interface ListExchangesCommand {
  readonly kind: 'list-exchanges';
  readonly vhost: string;
  readonly namePrefix: string;
  readonly after: string;
  readonly limit: number;
}

/** Lists bindings. */
export interface ListBindingsCommand {
  readonly kind: 'list-bindings';
  readonly vhost: string;
  readonly filter: { readonly source?: string; readonly destination?: string };
  readonly skip: number;
  readonly limit: number;
}

/** Asks where a message would go. */
export interface ExplainRouteCommand {
  readonly kind: 'explain-route';
  readonly vhost: string;
  readonly exchange: string;
  readonly routingKey: string;
  /** AMQP's properties. */
  readonly properties: Uint8Array;
}

/** Asks who holds messages of a queue. */
export interface ListUnackedCommand {
  readonly kind: 'list-unacked';
  readonly name: string;
  readonly vhost: string;
  readonly limit: number;
}

/** Asks how many messages wait for their time. */
export interface CountDelayedCommand {
  readonly kind: 'count-delayed';
  readonly vhost: string;
  /** Undefined: of the whole virtual host. */
  readonly exchange: string | undefined;
}

/** Takes out messages that wait for their time. */
export interface CancelDelayedCommand {
  readonly kind: 'cancel-delayed';
  readonly vhost: string;
  readonly exchange: string;
  readonly messageId: string;
}

/** Publishes and settles, all or nothing. */
export interface TransactCommand {
  readonly kind: 'transact';
  readonly vhost: string;
  readonly publishes: readonly PublishRoutedCommand[];
  readonly settles: readonly SettleCommand[];
}

/** Asks a queue for one message. */
export interface GetCommand {
  readonly kind: 'get';
  readonly subscription: number;
  readonly from: string;
  readonly vhost: string;
  readonly automaticAck: boolean;
}

/** Pushes from a queue. */
export interface SubscribeQueueCommand {
  readonly kind: 'subscribe-queue';
  readonly subscription: number;
  readonly from: string;
  readonly vhost: string;
  readonly credit: number;
  readonly automaticAck: boolean;
  readonly exclusive: boolean;
  readonly priority: number;
}

/** Pushes from chosen offsets of a topic. */
export interface SubscribeTopicCommand {
  readonly kind: 'subscribe-topic';
  readonly subscription: number;
  readonly from: string;
  readonly vhost: string;
  readonly credit: number;
  readonly starts: readonly PartitionPosition[];
  readonly start: StartPoint;
  readonly group: string;
  readonly decoded: boolean;
}

/** Follows a topic live, sharing reader and encoding with others. */
export interface SubscribeBroadcastCommand {
  readonly kind: 'subscribe-broadcast';
  readonly subscription: number;
  readonly from: string;
  readonly vhost: string;
  readonly slow: 'skip' | 'close';
  readonly decoded: boolean;
}

/** Ends a subscription. */
export interface UnsubscribeCommand {
  readonly kind: 'unsubscribe';
  readonly subscription: number;
}

/** Changes a subscription's credit. */
export interface CreditCommand {
  readonly kind: 'credit';
  readonly subscription: number;
  readonly change: 'add' | 'prefetch';
  readonly count: number;
}

/** Says what became of deliveries. */
export interface SettleCommand {
  readonly kind: 'settle';
  readonly subscription: number;
  readonly outcome: SettleOutcome;
  /** First and last tag of each range in turn; ascending, without overlap. Empty when `upToTag` is given. */
  readonly ranges: readonly number[];
  /** 0 when ranges are given. */
  readonly upToTag: number;
  /** Tags that are not unsettled are passed over. */
  readonly skipSettled: boolean;
}

/** Moves a topic subscription. */
export interface SeekCommand {
  readonly kind: 'seek';
  readonly subscription: number;
  readonly starts: readonly PartitionPosition[];
  /** Undefined: partitions that are not listed stay where they are. */
  readonly start: StartPoint | undefined;
}

/** Reads by offset. */
export interface FetchCommand {
  readonly kind: 'fetch';
  readonly from: string;
  readonly vhost: string;
  readonly positions: readonly PartitionPosition[];
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly decoded: boolean;
}

/** Asks which offsets a start means. */
export interface ListOffsetsCommand {
  readonly kind: 'list-offsets';
  readonly from: string;
  readonly vhost: string;
  /** Empty = all. */
  readonly partitions: readonly number[];
  readonly at: StartAt;
}

/** Notes a group's offsets. */
export interface CommitOffsetsCommand {
  readonly kind: 'commit-offsets';
  readonly group: string;
  readonly from: string;
  readonly vhost: string;
  readonly offsets: readonly CommittedOffset[];
}

/** Asks for a group's offsets. */
export interface FetchOffsetsCommand {
  readonly kind: 'fetch-offsets';
  readonly group: string;
  readonly from: string;
  readonly vhost: string;
  /** Empty = all. */
  readonly partitions: readonly number[];
}

/** Asks for a producer id. */
export interface InitProducerCommand {
  readonly kind: 'init-producer';
  readonly producerId: number;
}

/** Declares a topic or queue. */
export interface DeclareCommand {
  readonly kind: 'declare';
  readonly declaration: Declaration & { readonly vhost: string };
  /** Of a queue of the RabbitMQ model. Its name may be empty: then the node chooses one. */
  readonly model: QueueModelSettings | undefined;
}

/** Asks about or empties a topic or queue. */
export interface NameCommand {
  readonly kind: 'describe' | 'purge';
  readonly name: string;
  readonly vhost: string;
}

/** Deletes a topic or queue. */
export interface DeleteCommand {
  readonly kind: 'delete';
  readonly name: string;
  readonly vhost: string;
  readonly ifUnused: boolean;
  readonly ifEmpty: boolean;
}

/** Lists topics and queues. */
export interface ListCommand {
  readonly kind: 'list';
  readonly only: 'topic' | 'queue' | undefined;
  readonly namePrefix: string;
  readonly after: string;
  readonly limit: number;
  readonly withState: boolean;
  readonly vhost: string;
}

/** Asks for an answer. */
export interface PingCommand {
  readonly kind: 'ping';
  /** A view into the frame. */
  readonly payload: Uint8Array;
}

/** Gives the session another token of the same user. */
export interface RenewTokenCommand {
  readonly kind: 'renew-token';
  readonly token: string;
}

/** Asks how the node is. */
export interface StatusCommand {
  readonly kind: 'status';
}

/** Everything that a frame can ask. */
export type Command =
  | HelloCommand
  | PublishCommand
  | SubscribeQueueCommand
  | SubscribeTopicCommand
  | SubscribeBroadcastCommand
  | UnsubscribeCommand
  | CreditCommand
  | SettleCommand
  | SeekCommand
  | FetchCommand
  | ListOffsetsCommand
  | CommitOffsetsCommand
  | FetchOffsetsCommand
  | InitProducerCommand
  | DeclareCommand
  | NameCommand
  | DeleteCommand
  | PublishRoutedCommand
  | DeclareExchangeCommand
  | DeleteExchangeCommand
  | BindCommand
  | ListExchangesCommand
  | ListBindingsCommand
  | ExplainRouteCommand
  | ListUnackedCommand
  | CountDelayedCommand
  | CancelDelayedCommand
  | TransactCommand
  | GetCommand
  | ListCommand
  | PingCommand
  | StatusCommand
  | RenewTokenCommand;

/** Requests of the RabbitMQ model, and about the session itself. */
export type ModelCommand = Extract<
  Command,
  {
    kind:
      | `${'declare' | 'delete'}-exchange`
      | 'bind'
      | 'unbind'
      | `list-${'exchanges' | 'bindings' | 'unacked'}`
      | `${'count' | 'cancel'}-delayed`
      | 'explain-route'
      | 'transact'
      | 'get'
      | 'renew-token'
      | 'ping'
      | 'status';
  }
>;

/** To a topic or queue by its name, or to an exchange. */
export type AnyPublish = PublishCommand | PublishRoutedCommand;

/** Whether a command publishes. */
export function isPublish(command: Command): command is AnyPublish {
  return command.kind === 'publish' || command.kind === 'publish-routed';
}
