/**
 * What an administrator can ask: the requests that `/api`, the command line and the node's first start send to the control thread, which plans, logs
 * and spreads them (`ControlLink.administer`). Bounds and meanings are checked there (plan.ts), not by who asks.
 */
import type {
  JsonObject,
  JsonValue,
  PasswordVerifier,
  PolicyTarget,
  RabbitVerifier,
  ScramVerifier,
  VhostMetadata,
} from './model.js';

/** Who asks: for the audit log. */
export interface Actor {
  readonly user: string;
  /** Numeric; empty for the node itself. */
  readonly address: string;
  readonly door: DoorKind;
}

/** The way somebody came in. */
export type DoorKind = 'native' | 'amqp' | 'http' | 'node';

/** What a user's password becomes. */
export type PasswordChange =
  /** Verifiers are derived from it, which takes a while. Empty is refused. */
  | { readonly kind: 'password'; readonly password: string }
  /** RabbitMQ's `password_hash` and `hashing_algorithm`; the first login with the password replaces it by verifiers. */
  | { readonly kind: 'rabbit-hash'; readonly verifier: RabbitVerifier }
  /** Verifiers that were exported by a node. */
  | { readonly kind: 'verifiers'; readonly verifiers: readonly ScramVerifier[] }
  /** No password opens the user. */
  | { readonly kind: 'none' }
  /** As it is; a new user has none. */
  | { readonly kind: 'keep' };

/** One request. Regular expressions and JSON are checked; names are those of AMQP: at most 255 bytes. */
export type AccessRequest =
  | {
      readonly kind: 'put-user';
      readonly name: string;
      readonly tags: readonly string[];
      readonly password: PasswordChange;
    }
  /** With its permissions, topic permissions and limits. */
  | { readonly kind: 'delete-user'; readonly name: string }
  | {
      readonly kind: 'set-permission';
      readonly user: string;
      readonly vhost: string;
      readonly configure: string;
      readonly write: string;
      readonly read: string;
    }
  | { readonly kind: 'clear-permission'; readonly user: string; readonly vhost: string }
  | {
      readonly kind: 'set-topic-permission';
      readonly user: string;
      readonly vhost: string;
      readonly exchange: string;
      readonly write: string;
      readonly read: string;
    }
  /** `exchange` absent: those of all exchanges. */
  | {
      readonly kind: 'clear-topic-permission';
      readonly user: string;
      readonly vhost: string;
      readonly exchange?: string;
    }
  | {
      readonly kind: 'set-policy';
      readonly operator: boolean;
      readonly vhost: string;
      readonly name: string;
      readonly pattern: string;
      readonly applyTo: PolicyTarget;
      readonly priority: number;
      readonly definition: JsonObject;
    }
  | { readonly kind: 'clear-policy'; readonly operator: boolean; readonly vhost: string; readonly name: string }
  /** A negative value is no limit. */
  | {
      readonly kind: 'set-vhost-limit';
      readonly vhost: string;
      readonly limit: 'max-connections' | 'max-queues';
      readonly value: number;
    }
  /** `limit` absent: all of them. */
  | { readonly kind: 'clear-vhost-limit'; readonly vhost: string; readonly limit?: 'max-connections' | 'max-queues' }
  | {
      readonly kind: 'set-user-limit';
      readonly user: string;
      readonly limit: 'max-connections' | 'max-channels';
      readonly value: number;
    }
  | { readonly kind: 'clear-user-limit'; readonly user: string; readonly limit?: 'max-connections' | 'max-channels' }
  /** Makes the virtual host unless it exists. `metadata` absent: as it is. */
  | { readonly kind: 'put-vhost'; readonly vhost: string; readonly metadata?: VhostMetadata }
  /** With all that is in it and about it. */
  | { readonly kind: 'delete-vhost'; readonly vhost: string }
  /** `vhost` absent: a global parameter, with an empty component. */
  | {
      readonly kind: 'set-parameter';
      readonly vhost?: string;
      readonly component: string;
      readonly name: string;
      readonly value: JsonValue;
    }
  | { readonly kind: 'clear-parameter'; readonly vhost?: string; readonly component: string; readonly name: string };

/** What came of a request: `created`: it was not there before; `unchanged`: it is as it was. Deleting what is not there is an error, `not-found`. */
export type AccessOutcome = 'created' | 'changed' | 'unchanged' | 'deleted';

/** A first login has shown the password of an imported user: better verifiers take the place of RabbitMQ's hash. Sent by shards, never by people. */
export interface VerifierUpgrade {
  readonly user: string;
  readonly passwordVersion: number;
  readonly verifiers: readonly PasswordVerifier[];
}
