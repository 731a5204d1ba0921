/**
 * The image of who may do what: users, permissions, policies, limits and parameters. A part of the catalog; the same code on the control thread and on
 * every shard. No I/O, and no rules: what may be changed is decided before (plan.ts).
 */
import { assert, unreachable } from '../../base/assert.js';
import type {
  AccessChange,
  ParameterEntry,
  PermissionEntry,
  PolicyEntry,
  TopicPermissionEntry,
  UserEntry,
  UserLimits,
  VhostLimits,
  VhostMetadata,
} from './model.js';

const NO_LIMITS: VhostLimits & UserLimits = {};
const NO_METADATA: VhostMetadata = { description: '', tags: [] };
const NO_POLICIES: readonly PolicyEntry[] = [];

/** What takes a change back. */
type Undo = (() => void)[] | undefined;

/** Which permissions are wanted; what is absent does not matter. */
export interface PermissionFilter {
  readonly user?: string | undefined;
  readonly vhost?: string | undefined;
}

/** See the top of this file. */
export class AccessImage {
  private readonly userEntries = new Map<string, UserEntry>();
  private readonly permissionEntries = new Map<string, PermissionEntry>();
  private readonly topicEntries = new Map<string, TopicPermissionEntry>();
  private readonly policyEntries = new Map<string, PolicyEntry>();
  private readonly parameterEntries = new Map<string, ParameterEntry>();
  private readonly limitsOfVhosts = new Map<string, VhostLimits>();
  private readonly limitsOfUsers = new Map<string, UserLimits>();
  private readonly metadataOfVhosts = new Map<string, VhostMetadata>();
  /** Policies of a virtual host in the order in which they count; made when asked for. */
  private readonly ordered = new Map<string, readonly PolicyEntry[]>();
  private wasSeeded = false;
  private text = 0;
  private changeCount = 0;

  /** Another number after each change. */
  get version(): number {
    return this.changeCount;
  }

  /** Whether the default user was made once. */
  get seeded(): boolean {
    return this.wasSeeded;
  }

  get userCount(): number {
    return this.userEntries.size;
  }

  get permissionCount(): number {
    return this.permissionEntries.size;
  }

  get topicPermissionCount(): number {
    return this.topicEntries.size;
  }

  get policyCount(): number {
    return this.policyEntries.size;
  }

  get parameterCount(): number {
    return this.parameterEntries.size;
  }

  /** Characters of JSON and of regular expressions, of all policies, parameters and permissions. */
  get textSize(): number {
    return this.text;
  }

  user(name: string): UserEntry | undefined {
    return this.userEntries.get(name);
  }

  /** In the order in which they were made. */
  users(): Iterable<UserEntry> {
    return this.userEntries.values();
  }

  permission(user: string, vhost: string): PermissionEntry | undefined {
    return this.permissionEntries.get(keyOf(user, vhost));
  }

  *permissions(filter: PermissionFilter = {}): Iterable<PermissionEntry> {
    for (const entry of this.permissionEntries.values()) if (isWanted(entry, filter)) yield entry;
  }

  topicPermission(user: string, vhost: string, exchange: string): TopicPermissionEntry | undefined {
    return this.topicEntries.get(keyOf(user, vhost, exchange));
  }

  *topicPermissions(filter: PermissionFilter = {}): Iterable<TopicPermissionEntry> {
    for (const entry of this.topicEntries.values()) if (isWanted(entry, filter)) yield entry;
  }

  policy(operator: boolean, vhost: string, name: string): PolicyEntry | undefined {
    return this.policyEntries.get(policyKey(operator, vhost, name));
  }

  /** Of all virtual hosts, or of one. */
  *policies(operator: boolean, vhost?: string): Iterable<PolicyEntry> {
    for (const entry of this.policyEntries.values()) {
      if (entry.operator === operator && (vhost === undefined || entry.vhost === vhost)) yield entry;
    }
  }

  /** The policies of a virtual host, the highest priority first, and among equals by name. */
  orderedPolicies(operator: boolean, vhost: string): readonly PolicyEntry[] {
    if (this.policyEntries.size === 0) return NO_POLICIES;
    const key = keyOf(String(operator), vhost);
    const known = this.ordered.get(key);
    if (known !== undefined) return known;
    const sorted = [...this.policies(operator, vhost)].sort(byPriority);
    this.ordered.set(key, sorted);
    return sorted;
  }

  vhostLimits(vhost: string): VhostLimits {
    return this.limitsOfVhosts.get(vhost) ?? NO_LIMITS;
  }

  /** Virtual hosts that have limits. */
  limitedVhosts(): Iterable<readonly [vhost: string, limits: VhostLimits]> {
    return this.limitsOfVhosts;
  }

  userLimits(user: string): UserLimits {
    return this.limitsOfUsers.get(user) ?? NO_LIMITS;
  }

  /** Users who have limits. */
  limitedUsers(): Iterable<readonly [user: string, limits: UserLimits]> {
    return this.limitsOfUsers;
  }

  vhostMetadata(vhost: string): VhostMetadata {
    return this.metadataOfVhosts.get(vhost) ?? NO_METADATA;
  }

  /** `vhost` undefined: a global one, whose component is empty. */
  parameter(vhost: string | undefined, component: string, name: string): ParameterEntry | undefined {
    return this.parameterEntries.get(parameterKey(vhost, component, name));
  }

  /** Of all virtual hosts, or of one; the global ones are not among them. */
  *parameters(vhost?: string): Iterable<ParameterEntry> {
    for (const entry of this.parameterEntries.values()) {
      if (entry.vhost !== undefined && (vhost === undefined || entry.vhost === vhost)) yield entry;
    }
  }

  *globalParameters(): Iterable<ParameterEntry> {
    for (const entry of this.parameterEntries.values()) if (entry.vhost === undefined) yield entry;
  }

  /** Whether anything is left that belongs to a virtual host. */
  isAbout(vhost: string): boolean {
    return this.clearingsOf(vhost).length > 0;
  }

  /** What clears all that belongs to a virtual host. */
  clearingsOf(vhost: string): AccessChange[] {
    const changes: AccessChange[] = [];
    for (const { user } of this.permissions({ vhost })) changes.push({ kind: 'clear-permission', user, vhost });
    for (const { user, exchange } of this.topicPermissions({ vhost })) {
      changes.push({ kind: 'clear-topic-permission', user, vhost, exchange });
    }
    for (const operator of [false, true]) {
      for (const { name } of this.policies(operator, vhost)) {
        changes.push({ kind: 'clear-policy', operator, vhost, name });
      }
    }
    for (const { component, name } of this.parameters(vhost)) {
      changes.push({ kind: 'clear-parameter', vhost, component, name });
    }
    if (this.limitsOfVhosts.has(vhost)) changes.push({ kind: 'set-vhost-limits', vhost, limits: {} });
    if (this.metadataOfVhosts.has(vhost)) changes.push({ kind: 'set-vhost-metadata', vhost, metadata: NO_METADATA });
    return changes;
  }

  /** The shortest changes that make this image. */
  asChanges(): AccessChange[] {
    const changes: AccessChange[] = this.wasSeeded ? [{ kind: 'seeded' }] : [];
    for (const user of this.userEntries.values()) changes.push({ kind: 'put-user', user });
    for (const [user, limits] of this.limitsOfUsers) changes.push({ kind: 'set-user-limits', user, limits });
    for (const permission of this.permissionEntries.values()) changes.push({ kind: 'set-permission', permission });
    for (const permission of this.topicEntries.values()) changes.push({ kind: 'set-topic-permission', permission });
    for (const policy of this.policyEntries.values()) changes.push({ kind: 'set-policy', policy });
    for (const [vhost, limits] of this.limitsOfVhosts) changes.push({ kind: 'set-vhost-limits', vhost, limits });
    for (const [vhost, metadata] of this.metadataOfVhosts) {
      changes.push({ kind: 'set-vhost-metadata', vhost, metadata });
    }
    for (const parameter of this.parameterEntries.values()) changes.push({ kind: 'set-parameter', parameter });
    return changes;
  }

  /** Applies one change; what takes it back goes to `undo`. @throws BugError when it does not follow from the image */
  apply(change: AccessChange, undo: Undo): void {
    this.changeCount++;
    undo?.push(() => this.changeCount++);
    switch (change.kind) {
      case 'put-user':
        replace(this.userEntries, change.user.name, change.user, undo);
        break;
      case 'delete-user':
        this.deleteUser(change.name, undo);
        break;
      case 'set-permission':
      case 'clear-permission':
      case 'set-topic-permission':
      case 'clear-topic-permission':
        this.applyPermission(change, undo);
        break;
      case 'set-policy':
        this.replacePolicy(change.policy, change.policy, undo);
        break;
      case 'clear-policy':
        this.replacePolicy(change, undefined, undo);
        break;
      case 'set-parameter':
        this.replaceParameter(change.parameter, change.parameter, undo);
        break;
      case 'clear-parameter':
        this.replaceParameter(change, undefined, undo);
        break;
      case 'seeded': {
        const before = this.wasSeeded;
        this.wasSeeded = true;
        undo?.push(() => {
          this.wasSeeded = before;
        });
        break;
      }
      default:
        this.applyLimits(change, undo);
    }
  }

  private deleteUser(name: string, undo: Undo): void {
    const hasMore = this.limitsOfUsers.has(name) || some(this.permissions({ user: name }));
    assert(!hasMore && !some(this.topicPermissions({ user: name })), `Cannot delete user "${name}": something is his`);
    replace(this.userEntries, name, undefined, undo);
  }

  private applyPermission(
    change: AccessChange & {
      kind: 'set-permission' | 'clear-permission' | 'set-topic-permission' | 'clear-topic-permission';
    },
    undo: Undo,
  ): void {
    switch (change.kind) {
      case 'set-permission': {
        const { user, vhost } = change.permission;
        this.requireUser(user);
        this.replacePermission(this.permissionEntries, keyOf(user, vhost), change.permission, undo);
        break;
      }
      case 'clear-permission':
        this.replacePermission(this.permissionEntries, keyOf(change.user, change.vhost), undefined, undo);
        break;
      case 'set-topic-permission': {
        const { user, vhost, exchange } = change.permission;
        this.requireUser(user);
        this.replacePermission(this.topicEntries, keyOf(user, vhost, exchange), change.permission, undo);
        break;
      }
      default: {
        const { user, vhost, exchange } = change;
        this.replacePermission(this.topicEntries, keyOf(user, vhost, exchange), undefined, undo);
      }
    }
  }

  private replacePermission<Entry>(
    entries: Map<string, Entry>,
    key: string,
    entry: Entry | undefined,
    undo: Undo,
  ): void {
    this.weigh(entries.get(key), entry, undo);
    replace(entries, key, entry, undo);
  }

  private applyLimits(
    change: AccessChange & { kind: 'set-vhost-limits' | 'set-user-limits' | 'set-vhost-metadata' },
    undo: Undo,
  ): void {
    switch (change.kind) {
      case 'set-vhost-limits':
        replace(this.limitsOfVhosts, change.vhost, noneIfEmpty(change.limits), undo);
        break;
      case 'set-user-limits':
        replace(this.limitsOfUsers, change.user, noneIfEmpty(change.limits), undo);
        break;
      case 'set-vhost-metadata': {
        const { vhost, metadata } = change;
        replace(this.metadataOfVhosts, vhost, isNoMetadata(metadata) ? undefined : metadata, undo);
        break;
      }
      default:
        unreachable(change);
    }
  }

  private requireUser(name: string): void {
    assert(this.userEntries.has(name), `User "${name}" does not exist`);
  }

  private replacePolicy(
    { operator, vhost, name }: { readonly operator: boolean; readonly vhost: string; readonly name: string },
    policy: PolicyEntry | undefined,
    undo: Undo,
  ): void {
    const key = policyKey(operator, vhost, name);
    this.weigh(this.policyEntries.get(key)?.definition, policy?.definition, undo);
    replace(this.policyEntries, key, policy, undo);
    this.ordered.clear();
    undo?.push(() => this.ordered.clear());
  }

  private replaceParameter(
    of: { readonly vhost?: string; readonly component: string; readonly name: string },
    parameter: ParameterEntry | undefined,
    undo: Undo,
  ): void {
    const key = parameterKey(of.vhost, of.component, of.name);
    this.weigh(this.parameterEntries.get(key)?.value, parameter?.value, undo);
    replace(this.parameterEntries, key, parameter, undo);
  }

  private weigh(before: unknown, after: unknown, undo: Undo): void {
    const difference = jsonSize(after) - jsonSize(before);
    this.text += difference;
    undo?.push(() => {
      this.text -= difference;
    });
  }
}

/** Puts a value into its place, or takes it out. */
function replace<Value>(map: Map<string, Value>, key: string, value: Value | undefined, undo: Undo): void {
  const before = map.get(key);
  put(map, key, value);
  undo?.push(() => put(map, key, before));
}

function put<Value>(map: Map<string, Value>, key: string, value: Value | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function some(values: Iterable<unknown>): boolean {
  for (const _ of values) return true;
  return false;
}

function isWanted(entry: { readonly user: string; readonly vhost: string }, filter: PermissionFilter): boolean {
  return (
    (filter.user === undefined || filter.user === entry.user) &&
    (filter.vhost === undefined || filter.vhost === entry.vhost)
  );
}

function noneIfEmpty<Limits extends object>(limits: Limits): Limits | undefined {
  return Object.keys(limits).length === 0 ? undefined : limits;
}

function isNoMetadata({ description, tags, defaultQueueType }: VhostMetadata): boolean {
  return description === '' && tags.length === 0 && defaultQueueType === undefined;
}

function byPriority(left: PolicyEntry, right: PolicyEntry): number {
  if (left.priority !== right.priority) return right.priority - left.priority;
  return left.name < right.name ? -1 : 1;
}

function jsonSize(value: unknown): number {
  return value === undefined ? 0 : JSON.stringify(value).length;
}

/** Equal for equal parts only: lengths keep them apart whatever characters they hold. */
function keyOf(...parts: readonly string[]): string {
  return parts.map((part) => `${part.length}:${part}`).join('');
}

function policyKey(operator: boolean, vhost: string, name: string): string {
  return keyOf(operator ? 'o' : 'p', vhost, name);
}

function parameterKey(vhost: string | undefined, component: string, name: string): string {
  return vhost === undefined ? keyOf(component, name) : keyOf(vhost, component, name);
}
