/**
 * What the control thread and the shards say to each other. Cold: structured clones over the thread's port. One closed union per direction.
 */

import type { AccessRequest, Actor, VerifierUpgrade } from '../broker/access/requests.js';
import type { MetadataStep } from '../broker/catalog.js';
import type { BrokerErrorCode } from '../broker/errors.js';
import type { Binding, ExchangeDeclaration } from '../broker/model.js';
import type { Declaration, DeleteQueueOptions } from '../broker/ports.js';
import type { StatisticsQuestion } from '../doors/management/index.js';
import type { TlsMaterial } from '../io/tls/port.js';
import type { TokenKey } from '../io/tokens/port.js';
import type { CleanJob } from '../storage/clean-segment.js';
import type { ShardCapture } from '../storage/log-capture.js';
import type { BackupRequest } from './backup/request.js';
import type { InspectionDepth, ShardInspection } from './management/inspection.js';
import type { ShardReport } from './shard-report.js';

/** A broker error on its way between threads. */
export interface PlainError {
  readonly code: BrokerErrorCode;
  readonly message: string;
}

/** When a queue's logs may be sealed. */
export interface SealConditions {
  readonly ifUnused: boolean;
  readonly ifEmpty: boolean;
}

/** Whether logs were sealed, and how many messages wait in them together; or why not. */
export type SealResult =
  | { readonly sealed: true; readonly ready: number }
  | { readonly sealed: false; readonly reason: 'in-use' | 'not-empty' };

/** A step that a shard could not apply. */
export interface StepFailure {
  readonly version: number;
  readonly error: PlainError;
}

/** What sessions may ask of the metadata; ControlLink says what each means. */
export type MetadataRequest =
  | { readonly kind: 'declare'; readonly declaration: Declaration }
  | { readonly kind: 'delete'; readonly name: string; readonly vhost?: string | undefined }
  | {
      readonly kind: 'delete-queue';
      readonly vhost: string;
      readonly name: string;
      readonly options: DeleteQueueOptions;
    }
  | { readonly kind: 'delete-topic'; readonly topicId: number }
  | { readonly kind: 'declare-exchange'; readonly declaration: ExchangeDeclaration }
  | { readonly kind: 'delete-exchange'; readonly vhost: string; readonly name: string; readonly ifUnused: boolean }
  | { readonly kind: 'bind' | 'unbind'; readonly vhost: string; readonly binding: Binding; readonly connection: string }
  | { readonly kind: 'connection-closed'; readonly connection: string }
  | { readonly kind: 'create-vhost' | 'delete-vhost'; readonly vhost: string }
  | { readonly kind: 'administer'; readonly requests: readonly AccessRequest[]; readonly actor: Actor }
  | { readonly kind: 'upgrade-verifiers'; readonly upgrade: VerifierUpgrade }
  | { readonly kind: 'init-producer'; readonly producerId: number };

/** What sessions may ask of the control thread. */
export type ControlRequest =
  | MetadataRequest
  | { readonly kind: 'status' }
  /** Rewrites a segment on the background pool. */
  | { readonly kind: 'clean'; readonly job: CleanJob }
  | { readonly kind: 'metrics' }
  | { readonly kind: 'backup'; readonly backup: BackupRequest; readonly actor: Actor }
  /** There is a token by a key that is not known; answered with whether new keys have come since. */
  | { readonly kind: 'refresh-token-keys' }
  /** Of the management API. */
  | { readonly kind: 'management'; readonly question: StatisticsQuestion };

/** What a shard listens for: WebSocket and HTTP, the same where RabbitMQ's management is looked for, AMQP over TCP, AMQP over TLS. */
export type DoorName = 'http' | 'management' | 'amqp' | 'amqps';

/** From the control thread to a shard. */
export type ToShard =
  /** Opens a door on `port`; with `sharePort` several shards accept on it. */
  | { readonly kind: 'listen'; readonly door: DoorName; readonly port: number; readonly sharePort: boolean }
  /** What holds publishers back, if anything: memory, disk. */
  | { readonly kind: 'alarms'; readonly active: readonly string[] }
  /** New connections get these certificates. */
  | { readonly kind: 'tls'; readonly material: TlsMaterial }
  /** Tokens are checked with these from now on. */
  | { readonly kind: 'token-keys'; readonly keys: readonly TokenKey[] }
  /** How the whole node is, for /readyz. */
  | { readonly kind: 'ready'; readonly ready: boolean; readonly reasons: readonly string[] }
  /** Applies steps of the metadata in order; answered with `applied` when all are. */
  | { readonly kind: 'apply'; readonly steps: readonly MetadataStep[] }
  /** Seals logs of this shard, all or none, behind what is being applied; answered with `sealed`. */
  | {
      readonly kind: 'seal';
      readonly seal: number;
      readonly logIds: readonly number[];
      readonly conditions: SealConditions;
    }
  /** Takes seals back: what was to be deleted is not. */
  | { readonly kind: 'unseal'; readonly logIds: readonly number[] }
  /** Answers a `request`. */
  | { readonly kind: 'answer'; readonly request: number; readonly result: unknown; readonly error?: PlainError }
  /** Wants an `inspected`. */
  | { readonly kind: 'inspect'; readonly depth: InspectionDepth }
  /** An operator ends a connection; the shard that has it does. */
  | { readonly kind: 'close-connection'; readonly id: string; readonly reason: string }
  /** A step of a backup (docs/design/backup.md); `pin` is answered with `pinned`, `capture` with `captured`. */
  | { readonly kind: 'backup'; readonly step: 'pin' | 'capture' | 'resume' | 'unpin' }
  /** Wants a `report`. */
  | { readonly kind: 'collect'; readonly collection: number }
  /** Closes the doors and waits for what was taken; answered with `drained`. Other shards still need this one. */
  | { readonly kind: 'drain'; readonly reason: string }
  /** Syncs, checkpoints and ends; answered with `stopped`. */
  | { readonly kind: 'stop' };

/** From a shard to the control thread. */
export type FromShard =
  /** Its logs are open; `report` is for the log of the node. */
  | {
      readonly kind: 'recovered';
      readonly logs: number;
      readonly warnings: readonly string[];
      readonly durationMs: number;
      /** Its logs need no journal of an earlier start any more. */
      readonly canRetire: boolean;
    }
  | { readonly kind: 'listening'; readonly port: number }
  /** The doors could not be opened. */
  | { readonly kind: 'listen-failed'; readonly message: string }
  | { readonly kind: 'applied'; readonly failures: readonly StepFailure[] }
  | { readonly kind: 'sealed'; readonly seal: number; readonly result: SealResult }
  | { readonly kind: 'request'; readonly request: number; readonly body: ControlRequest }
  | { readonly kind: 'report'; readonly collection: number; readonly report: ShardReport }
  | { readonly kind: 'inspected'; readonly inspection: ShardInspection }
  | { readonly kind: 'pinned' }
  /** The shard's logs at one moment, or why they cannot be told. */
  | { readonly kind: 'captured'; readonly capture: ShardCapture | { readonly error: string } }
  /** A log line for the node's one log. */
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'drained' }
  | { readonly kind: 'stopped' };
