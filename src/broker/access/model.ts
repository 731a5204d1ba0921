/**
 * Users, permissions, policies, limits and parameters as every shard knows them: what the metadata log holds of who may do what. Plain data, replaced
 * and never changed in place; docs/design/access.md says who uses it when, docs/formats/access.md draws its bytes.
 */

/** A value of JSON, as RabbitMQ's tools hand it over: parameters and policies are opaque to this node but for the keys that it knows. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: JsonValue };

/** What RFC 5802 calls StoredKey and ServerKey, with what they were made of. Nobody can log in with them, but a password can be checked against them. */
export interface ScramVerifier {
  readonly kind: 'scram-sha-256' | 'scram-sha-512';
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** RabbitMQ's own hash: four bytes of salt and the digest of salt and password. Only imported; the first login replaces it. */
export interface RabbitVerifier {
  readonly kind: 'rabbit-sha256' | 'rabbit-sha512' | 'rabbit-md5';
  readonly hash: Uint8Array;
}

/** What a password is checked against. */
export type PasswordVerifier = ScramVerifier | RabbitVerifier;

/** A user. */
export interface UserEntry {
  readonly name: string;
  /** `administrator`, `monitoring`, `policymaker`, `management`, `impersonator`, or the operator's own. In the order given. */
  readonly tags: readonly string[];
  /** Empty: no password opens this user; tokens and certificates may. */
  readonly verifiers: readonly PasswordVerifier[];
  /** The version of the metadata at which this user got the present password, or was made: sessions of an earlier one end. */
  readonly passwordVersion: number;
}

/** What a user may do in a virtual host: regular expressions on names, found anywhere in them; an empty one matches only the empty name. */
export interface PermissionEntry {
  readonly user: string;
  readonly vhost: string;
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

/** Which routing keys a user may publish to, and bind to, at one topic exchange. Without an entry all. */
export interface TopicPermissionEntry {
  readonly user: string;
  readonly vhost: string;
  readonly exchange: string;
  readonly write: string;
  readonly read: string;
}

/** What a policy is for. */
export type PolicyTarget = 'all' | 'queues' | 'exchanges' | 'classic_queues' | 'quorum_queues' | 'streams';

/** A policy, or an operator's policy: settings for what its pattern matches. */
export interface PolicyEntry {
  readonly operator: boolean;
  readonly vhost: string;
  readonly name: string;
  readonly pattern: string;
  readonly applyTo: PolicyTarget;
  readonly priority: number;
  readonly definition: JsonObject;
}

/** Limits of a virtual host; negative or absent = none. */
export interface VhostLimits {
  readonly 'max-connections'?: number;
  readonly 'max-queues'?: number;
}

/** Limits of a user, over all virtual hosts; negative or absent = none. */
export interface UserLimits {
  readonly 'max-connections'?: number;
  readonly 'max-channels'?: number;
}

/** What is said of a virtual host. */
export interface VhostMetadata {
  readonly description: string;
  readonly tags: readonly string[];
  /** What a queue is that is declared without x-queue-type; absent = classic. */
  readonly defaultQueueType?: 'classic' | 'quorum' | 'stream';
}

/** A parameter of a component in a virtual host; or a global one, without either. Kept for those who put it there. */
export interface ParameterEntry {
  /** Absent: a global parameter. */
  readonly vhost?: string;
  /** Of a global parameter empty. */
  readonly component: string;
  readonly name: string;
  readonly value: JsonValue;
}

/** One change of who may do what: what the metadata log holds of this folder. What depends on a user or a virtual host is cleared before it goes. */
export type AccessChange =
  | { readonly kind: 'put-user'; readonly user: UserEntry }
  | { readonly kind: 'delete-user'; readonly name: string }
  | { readonly kind: 'set-permission'; readonly permission: PermissionEntry }
  | { readonly kind: 'clear-permission'; readonly user: string; readonly vhost: string }
  | { readonly kind: 'set-topic-permission'; readonly permission: TopicPermissionEntry }
  | {
      readonly kind: 'clear-topic-permission';
      readonly user: string;
      readonly vhost: string;
      readonly exchange: string;
    }
  | { readonly kind: 'set-policy'; readonly policy: PolicyEntry }
  | { readonly kind: 'clear-policy'; readonly operator: boolean; readonly vhost: string; readonly name: string }
  /** Empty limits are none. */
  | { readonly kind: 'set-vhost-limits'; readonly vhost: string; readonly limits: VhostLimits }
  | { readonly kind: 'set-user-limits'; readonly user: string; readonly limits: UserLimits }
  | { readonly kind: 'set-vhost-metadata'; readonly vhost: string; readonly metadata: VhostMetadata }
  | { readonly kind: 'set-parameter'; readonly parameter: ParameterEntry }
  | {
      readonly kind: 'clear-parameter';
      readonly vhost?: string;
      readonly component: string;
      readonly name: string;
    }
  /** The default user was made: no later start makes one, even when no user is left. */
  | { readonly kind: 'seeded' };
