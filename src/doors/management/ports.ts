/** What the node gives its management door on one shard. */

import type {
  ParameterEntry,
  PermissionEntry,
  PolicyEntry,
  TopicPermissionEntry,
  UserEntry,
  UserLimits,
  VhostLimits,
  VhostMetadata,
} from '../../broker/access/model.js';
import type { AccessOutcome, AccessRequest, Actor, PasswordChange } from '../../broker/access/requests.js';
import type { AccessControl } from '../../broker/access.js';
import type { Broker, RoutingBroker } from '../../broker/ports.js';
import type { Timers } from '../../io/ports.js';
import type { JsonObject } from './json.js';
import type { AskStatistics } from './statistics.js';

/** Users, permissions and the like, in this shard's own copy. */
export interface AccessView {
  user(name: string): UserEntry | undefined;
  users(): Iterable<UserEntry>;
  permission(user: string, vhost: string): PermissionEntry | undefined;
  permissions(filter?: { readonly user?: string; readonly vhost?: string }): Iterable<PermissionEntry>;
  topicPermissions(filter?: { readonly user?: string; readonly vhost?: string }): Iterable<TopicPermissionEntry>;
  policy(operator: boolean, vhost: string, name: string): PolicyEntry | undefined;
  policies(operator: boolean, vhost?: string): Iterable<PolicyEntry>;
  vhostLimits(vhost: string): VhostLimits;
  userLimits(user: string): UserLimits;
  vhostMetadata(vhost: string): VhostMetadata;
  parameter(vhost: string | undefined, component: string, name: string): ParameterEntry | undefined;
  parameters(vhost?: string): Iterable<ParameterEntry>;
  globalParameters(): Iterable<ParameterEntry>;
}

/** A password as definitions carry it. */
export interface ExportedPassword {
  readonly password_hash: string;
  readonly hashing_algorithm: string;
}

/** How passwords leave the node and come back. */
export interface PasswordForms {
  exported(user: UserEntry): ExportedPassword;
  /** @throws BrokerError `invalid-request` for what is no hash of a known kind. */
  imported(hash: string, algorithm: string | undefined): PasswordChange;
}

/** See the top of this file. */
export interface ManagementPorts {
  readonly broker: Broker & RoutingBroker;
  readonly vhosts: () => Iterable<string>;
  readonly access: AccessControl;
  readonly view: AccessView;
  readonly passwords: PasswordForms;
  administer(requests: readonly AccessRequest[], actor: Actor): Promise<readonly AccessOutcome[]>;
  readonly ask: AskStatistics;
  /** Makes a backup by this name; answers what it came to. Rejects with a BrokerError. */
  backup(name: string, actor: Actor): Promise<JsonObject>;
  readonly node: { readonly name: string; readonly version: string };
  readonly timers: Timers;
  readonly settings: {
    /** Web pages that may use the API besides those of the same origin. */
    readonly allowedOrigins: readonly string[];
    readonly definitionsMaxBytes: number;
  };
}
