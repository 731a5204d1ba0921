/**
 * What the management door asks of the control thread: whatever needs all shards. Questions and answers are plain values, since they travel between
 * threads; lists come as text, so that they are made once and never cloned.
 */
import type { ManagementErrorCode } from './errors.js';
import type { JsonObject } from './json.js';
import type { ListParameters } from './lists.js';

/** Whose things are shown. */
export interface Scope {
  /** Virtual hosts that count; undefined = all. */
  readonly vhosts: readonly string[] | undefined;
  /** Connections, channels and consumers of this user alone; undefined = everybody's. */
  readonly user: string | undefined;
}

/** Lists whose items need figures of all shards. */
export type ListName = 'queues' | 'exchanges' | 'connections' | 'channels' | 'consumers' | 'vhosts';

/** A listener of the node. */
export interface ListenerFact {
  /** RabbitMQ's name: amqp, amqp/ssl, http, https. */
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  readonly isTls: boolean;
}

/** What changes of the node while it runs. */
export interface NodeState {
  readonly listeners: readonly ListenerFact[];
  /** What holds publishers back: memory, disk. */
  readonly alarms: readonly string[];
  /** Ends of validity of the certificates in use, in milliseconds since 1970. */
  readonly certificates: readonly { readonly file: string; readonly expiresMs: number }[];
}

/** What can be asked. */
export type StatisticsQuestion =
  | { readonly kind: 'overview'; readonly scope: Scope }
  | { readonly kind: 'node' }
  /** For health checks. */
  | { readonly kind: 'state' }
  /** Until the next start; 0 = the default. */
  | { readonly kind: 'set-memory-limit'; readonly bytes: number }
  | {
      readonly kind: 'list';
      readonly list: ListName;
      readonly scope: Scope;
      /** The channels of this connection alone, by its name. */
      readonly connection?: string | undefined;
      readonly parameters: ListParameters;
    }
  | { readonly kind: 'queue' | 'exchange'; readonly vhost: string; readonly name: string }
  | { readonly kind: 'connection' | 'channel' | 'vhost'; readonly name: string }
  /** Ends a connection on whichever shard it is. */
  | { readonly kind: 'close-connection'; readonly name: string; readonly reason: string }
  | { readonly kind: 'close-connections-of'; readonly user: string; readonly reason: string };

/** What is answered; `item` undefined: there is no such thing. */
export type StatisticsAnswer =
  | { readonly kind: 'text'; readonly json: string }
  | { readonly kind: 'item'; readonly item: JsonObject | undefined }
  | { readonly kind: 'state'; readonly state: NodeState }
  | { readonly kind: 'refused'; readonly code: ManagementErrorCode; readonly reason: string };

/** The control thread as the door sees it. Rejects with a BrokerError. */
export type AskStatistics = (question: StatisticsQuestion) => Promise<StatisticsAnswer>;
