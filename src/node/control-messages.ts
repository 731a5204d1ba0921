/**
 * What the control thread and the shards say to each other. Cold: structured clones over the thread's port. One closed union per direction.
 */

import type { MetadataChange } from '../broker/catalog.js';
import type { BrokerErrorCode } from '../broker/errors.js';
import type { Declaration } from '../broker/ports.js';
import type { CleanJob } from '../storage/clean-segment.js';
import type { ShardReport } from './shard-report.js';

/** A broker error on its way between threads. */
export interface PlainError {
  readonly code: BrokerErrorCode;
  readonly message: string;
}

/** What sessions may ask of the control thread. */
export type ControlRequest =
  | { readonly kind: 'declare'; readonly declaration: Declaration }
  | { readonly kind: 'delete'; readonly name: string }
  | { readonly kind: 'init-producer'; readonly producerId: number }
  | { readonly kind: 'status' }
  /** Rewrites a segment on the background pool. */
  | { readonly kind: 'clean'; readonly job: CleanJob }
  | { readonly kind: 'metrics' };

/** From the control thread to a shard. */
export type ToShard =
  /** Opens the doors on `port`; with `sharePort` several shards accept on it. */
  | { readonly kind: 'listen'; readonly port: number; readonly sharePort: boolean }
  /** How the whole node is, for /readyz. */
  | { readonly kind: 'ready'; readonly ready: boolean; readonly reasons: readonly string[] }
  /** Applies one change of the metadata log; answered with `applied`. */
  | { readonly kind: 'apply'; readonly version: number; readonly change: MetadataChange }
  /** Answers a `request`. */
  | { readonly kind: 'answer'; readonly request: number; readonly result: unknown; readonly error?: PlainError }
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
  | { readonly kind: 'applied'; readonly version: number; readonly error?: PlainError }
  | { readonly kind: 'request'; readonly request: number; readonly body: ControlRequest }
  | { readonly kind: 'report'; readonly collection: number; readonly report: ShardReport }
  /** A log line for the node's one log. */
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'drained' }
  | { readonly kind: 'stopped' };
