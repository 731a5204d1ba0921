/**
 * From an administrator's request to changes of the metadata: what is refused, and what goes along. Pure: the control thread calls it with the catalog
 * as the requests before have left it.
 */
import { unreachable } from '../../base/assert.js';
import { utf8Size } from '../../base/utf8.js';
import { checkShortName } from '../catalog/queue-declarations.js';
import { requireVhost, vhostCreationChanges, vhostDeletionChanges } from '../catalog/vhost-declarations.js';
import type { Catalog } from '../catalog.js';
import { BrokerError } from '../errors.js';
import type { MetadataChange } from '../metadata-changes.js';
import * as limits from './limits.js';
import type { AccessChange, JsonValue, PasswordVerifier, UserEntry, VhostMetadata } from './model.js';
import { PatternError, pattern, permissionPattern } from './pattern.js';
import { wrongDefinition } from './policy-definitions.js';
import type { AccessOutcome, AccessRequest, VerifierUpgrade } from './requests.js';

/** What a request comes to. */
export interface AccessPlan {
  readonly changes: readonly MetadataChange[];
  readonly outcome: AccessOutcome;
}

/** The verifiers that clear passwords were made into, by request. */
export type DerivedVerifiers = ReadonlyMap<AccessRequest, readonly PasswordVerifier[]>;

type RequestOf<Kind extends AccessRequest['kind']> = AccessRequest & { readonly kind: Kind };

const UNCHANGED: AccessPlan = { changes: [], outcome: 'unchanged' };

/**
 * Plans one request. `version` is that of the step that it becomes a part of.
 * @throws BrokerError `not-found`, `invalid-request`, `limit-exceeded`, `access-refused`
 */
export function planAccess(
  catalog: Catalog,
  request: AccessRequest,
  derived: DerivedVerifiers,
  version: number,
): AccessPlan {
  switch (request.kind) {
    case 'put-user':
      return putUser(catalog, request, derived.get(request), version);
    case 'delete-user':
      return deleteUser(catalog, request.name);
    case 'set-permission':
    case 'clear-permission':
      return planPermission(catalog, request);
    case 'set-topic-permission':
    case 'clear-topic-permission':
      return planTopicPermission(catalog, request);
    case 'set-policy':
      return setPolicy(catalog, request);
    case 'clear-policy':
      return clearPolicy(catalog, request);
    case 'set-parameter':
    case 'clear-parameter':
      return planParameter(catalog, request);
    case 'put-vhost':
      return putVhost(catalog, request.vhost, request.metadata);
    case 'delete-vhost':
      return { changes: vhostDeletionChanges(catalog, request.vhost), outcome: 'deleted' };
    case 'set-vhost-limit':
    case 'clear-vhost-limit':
      return planVhostLimits(catalog, request);
    case 'set-user-limit':
    case 'clear-user-limit':
      return planUserLimits(catalog, request);
    default:
      return unreachable(request);
  }
}

/** Replaces an imported user's hash, if it is still that of the password that was shown. */
export function upgradeChanges(catalog: Catalog, upgrade: VerifierUpgrade): readonly MetadataChange[] {
  const user = catalog.access.user(upgrade.user);
  if (user === undefined || user.passwordVersion !== upgrade.passwordVersion) return [];
  return asMetadata([{ kind: 'put-user', user: { ...user, verifiers: upgrade.verifiers } }]);
}

/** The first start's user: everything in the default virtual host, and the tag `administrator`. */
export function seedRequests(user: string, password: string): readonly AccessRequest[] {
  const everything = { configure: '.*', write: '.*', read: '.*' };
  return [
    { kind: 'put-user', name: user, tags: ['administrator'], password: { kind: 'password', password } },
    { kind: 'set-permission', user, vhost: '/', ...everything },
  ];
}

function asMetadata(changes: readonly AccessChange[]): readonly MetadataChange[] {
  return changes.map((change) => ({ kind: 'access', change }));
}

// ---- Users ----

function putUser(
  { access }: Catalog,
  { name, tags, password }: RequestOf<'put-user'>,
  derived: readonly PasswordVerifier[] | undefined,
  version: number,
): AccessPlan {
  checkName(name, `user '${name}'`);
  checkTags(tags, `user '${name}'`);
  const before = access.user(name);
  if (before === undefined) checkRoom(access.userCount, limits.USERS_MAX, 'users');
  let verifiers: readonly PasswordVerifier[];
  if (password.kind === 'rabbit-hash') verifiers = [password.verifier];
  else if (password.kind === 'verifiers') verifiers = password.verifiers;
  else if (password.kind === 'keep') verifiers = before?.verifiers ?? [];
  else verifiers = derived ?? [];
  const isKept = before !== undefined && isSameVerifiers(before.verifiers, verifiers);
  const passwordVersion = isKept ? before.passwordVersion : version;
  if (isKept && isSameTexts(before.tags, tags)) return UNCHANGED;
  const changes: AccessChange[] = [{ kind: 'put-user', user: { name, tags: [...tags], verifiers, passwordVersion } }];
  // From the first user on, whoever made it, the store is the operators' own.
  if (!access.seeded) changes.unshift({ kind: 'seeded' });
  return { changes: asMetadata(changes), outcome: before === undefined ? 'created' : 'changed' };
}

function deleteUser({ access }: Catalog, name: string): AccessPlan {
  requireUser(access.user(name), name);
  const changes: AccessChange[] = [];
  for (const { vhost } of access.permissions({ user: name }))
    changes.push({ kind: 'clear-permission', user: name, vhost });
  for (const { vhost, exchange } of access.topicPermissions({ user: name })) {
    changes.push({ kind: 'clear-topic-permission', user: name, vhost, exchange });
  }
  changes.push({ kind: 'set-user-limits', user: name, limits: {} });
  changes.push({ kind: 'delete-user', name });
  return { changes: asMetadata(changes), outcome: 'deleted' };
}

function requireUser(user: UserEntry | undefined, name: string): void {
  if (user === undefined) throw new BrokerError('not-found', `no user '${name}'`);
}

function isSameVerifiers(left: readonly PasswordVerifier[], right: readonly PasswordVerifier[]): boolean {
  return left === right || JSON.stringify(left.map(plain)) === JSON.stringify(right.map(plain));
}

function plain(verifier: PasswordVerifier): unknown {
  return Object.entries(verifier).map(([key, value]) => [key, value instanceof Uint8Array ? [...value] : value]);
}

function isSameTexts(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((text, index) => text === right[index]);
}

// ---- Permissions ----

function planPermission(
  catalog: Catalog,
  request: RequestOf<'set-permission'> | RequestOf<'clear-permission'>,
): AccessPlan {
  const { access } = catalog;
  const { user, vhost } = request;
  requireUser(access.user(user), user);
  requireVhost(catalog, vhost);
  const before = access.permission(user, vhost);
  if (request.kind === 'clear-permission') {
    if (before === undefined)
      throw new BrokerError('not-found', `no permissions of user '${user}' in vhost '${vhost}'`);
    return { changes: asMetadata([{ kind: 'clear-permission', user, vhost }]), outcome: 'deleted' };
  }
  const { configure, write, read } = request;
  for (const text of [configure, write, read]) checkPattern(text, permissionPattern);
  if (before === undefined) checkRoom(access.permissionCount, limits.PERMISSIONS_MAX, 'permissions');
  checkText(catalog, configure.length + write.length + read.length);
  if (before !== undefined && isSameTexts([before.configure, before.write, before.read], [configure, write, read])) {
    return UNCHANGED;
  }
  const permission = { user, vhost, configure, write, read };
  return {
    changes: asMetadata([{ kind: 'set-permission', permission }]),
    outcome: before === undefined ? 'created' : 'changed',
  };
}

function planTopicPermission(
  catalog: Catalog,
  request: RequestOf<'set-topic-permission'> | RequestOf<'clear-topic-permission'>,
): AccessPlan {
  const { access } = catalog;
  const { user, vhost, exchange } = request;
  requireUser(access.user(user), user);
  requireVhost(catalog, vhost);
  if (request.kind === 'clear-topic-permission') {
    const changes: AccessChange[] = [];
    for (const entry of access.topicPermissions({ user, vhost })) {
      if (exchange !== undefined && exchange !== entry.exchange) continue;
      changes.push({ kind: 'clear-topic-permission', user, vhost, exchange: entry.exchange });
    }
    if (changes.length > 0) return { changes: asMetadata(changes), outcome: 'deleted' };
    throw new BrokerError('not-found', `no topic permissions of user '${user}' in vhost '${vhost}'`);
  }
  const { write, read } = request;
  if (utf8Size(request.exchange) > limits.TAG_BYTES_MAX) invalid('the name of the exchange is too long');
  for (const text of [write, read]) checkPattern(text, permissionPattern);
  const before = access.topicPermission(user, vhost, request.exchange);
  if (before === undefined) checkRoom(access.topicPermissionCount, limits.PERMISSIONS_MAX, 'topic permissions');
  checkText(catalog, write.length + read.length);
  if (before?.write === write && before.read === read) return UNCHANGED;
  const permission = { user, vhost, exchange: request.exchange, write, read };
  return {
    changes: asMetadata([{ kind: 'set-topic-permission', permission }]),
    outcome: before === undefined ? 'created' : 'changed',
  };
}

// ---- Policies and parameters ----

function setPolicy(catalog: Catalog, request: RequestOf<'set-policy'>): AccessPlan {
  const { access } = catalog;
  const { kind: _, ...policy } = request;
  const { operator, vhost, name, definition } = policy;
  requireVhost(catalog, vhost);
  const subject = `${operator ? 'operator policy' : 'policy'} '${name}' in vhost '${vhost}'`;
  checkName(name, subject);
  checkPattern(policy.pattern, pattern);
  if (!Number.isSafeInteger(policy.priority)) invalid(`the priority of ${subject} is no whole number`);
  checkJson(definition, subject);
  const wrong = wrongDefinition(definition, operator);
  if (wrong !== undefined) invalid(wrong);
  const before = access.policy(operator, vhost, name);
  if (before === undefined) {
    checkRoom(access.policyCount, limits.POLICIES_MAX, 'policies');
    checkRoom(
      access.orderedPolicies(operator, vhost).length,
      limits.POLICIES_PER_VHOST_MAX,
      `policies in vhost '${vhost}'`,
    );
  }
  checkText(catalog, JSON.stringify(definition).length);
  return {
    changes: asMetadata([{ kind: 'set-policy', policy }]),
    outcome: before === undefined ? 'created' : 'changed',
  };
}

function clearPolicy(catalog: Catalog, { operator, vhost, name }: RequestOf<'clear-policy'>): AccessPlan {
  requireVhost(catalog, vhost);
  if (catalog.access.policy(operator, vhost, name) === undefined) {
    const what = operator ? 'operator policy' : 'policy';
    throw new BrokerError('not-found', `no ${what} '${name}' in vhost '${vhost}'`);
  }
  return { changes: asMetadata([{ kind: 'clear-policy', operator, vhost, name }]), outcome: 'deleted' };
}

function planParameter(
  catalog: Catalog,
  request: RequestOf<'set-parameter'> | RequestOf<'clear-parameter'>,
): AccessPlan {
  const { access } = catalog;
  const { vhost, component, name } = request;
  if (vhost !== undefined) requireVhost(catalog, vhost);
  const of = { ...(vhost === undefined ? {} : { vhost }), component, name };
  const subject = vhost === undefined ? `global parameter '${name}'` : `parameter '${component}/${name}'`;
  const before = access.parameter(vhost, component, name);
  if (request.kind === 'clear-parameter') {
    if (before === undefined) throw new BrokerError('not-found', `no ${subject}`);
    return { changes: asMetadata([{ kind: 'clear-parameter', ...of }]), outcome: 'deleted' };
  }
  checkName(name, subject);
  if (vhost === undefined ? component !== '' : component === '') invalid(`${subject} has a wrong component`);
  if (utf8Size(component) > limits.TAG_BYTES_MAX) invalid(`the component of ${subject} is too long`);
  checkJson(request.value, subject);
  if (before === undefined) checkRoom(access.parameterCount, limits.PARAMETERS_MAX, 'parameters');
  checkText(catalog, JSON.stringify(request.value).length);
  const parameter = { ...of, value: request.value };
  return {
    changes: asMetadata([{ kind: 'set-parameter', parameter }]),
    outcome: before === undefined ? 'created' : 'changed',
  };
}

// ---- Virtual hosts and limits ----

function putVhost(catalog: Catalog, vhost: string, metadata: VhostMetadata | undefined): AccessPlan {
  const creation = vhostCreationChanges(catalog, vhost);
  const changes = [...creation];
  if (metadata !== undefined) {
    checkTags(metadata.tags, `vhost '${vhost}'`);
    if (utf8Size(metadata.description) > limits.DESCRIPTION_BYTES_MAX) {
      invalid(`the description of vhost '${vhost}' is longer than ${limits.DESCRIPTION_BYTES_MAX} bytes`);
    }
    const isSame = JSON.stringify(catalog.access.vhostMetadata(vhost)) === JSON.stringify(metadata);
    if (!isSame) changes.push(...asMetadata([{ kind: 'set-vhost-metadata', vhost, metadata }]));
  }
  if (changes.length === 0) return UNCHANGED;
  return { changes, outcome: creation.length > 0 ? 'created' : 'changed' };
}

function planVhostLimits(
  catalog: Catalog,
  request: RequestOf<'set-vhost-limit'> | RequestOf<'clear-vhost-limit'>,
): AccessPlan {
  const { vhost } = request;
  requireVhost(catalog, vhost);
  const before = catalog.access.vhostLimits(vhost);
  const now = changedLimits(before, request.limit, request.kind === 'set-vhost-limit' ? request.value : undefined);
  return limitsPlan(before, now, { kind: 'set-vhost-limits', vhost, limits: now });
}

function planUserLimits(
  { access }: Catalog,
  request: RequestOf<'set-user-limit'> | RequestOf<'clear-user-limit'>,
): AccessPlan {
  const { user } = request;
  requireUser(access.user(user), user);
  const before = access.userLimits(user);
  const now = changedLimits(before, request.limit, request.kind === 'set-user-limit' ? request.value : undefined);
  return limitsPlan(before, now, { kind: 'set-user-limits', user, limits: now });
}

/** `limit` undefined: all go; `value` undefined: this one goes. */
function changedLimits<Name extends string>(
  before: { readonly [Key in Name]?: number },
  limit: Name | undefined,
  value: number | undefined,
): { readonly [Key in Name]?: number } {
  if (limit === undefined) return {};
  const now: { [Key in Name]?: number } = { ...before };
  delete now[limit];
  if (value === undefined) return now;
  if (!Number.isSafeInteger(value) || value > limits.LIMIT_VALUE_MAX || value < -limits.LIMIT_VALUE_MAX) {
    invalid(`the limit ${limit} must be a whole number up to ${limits.LIMIT_VALUE_MAX}`);
  }
  now[limit] = value;
  return now;
}

function limitsPlan(before: object, now: object, change: AccessChange): AccessPlan {
  if (JSON.stringify(before) === JSON.stringify(now)) return UNCHANGED;
  const isGone = Object.keys(now).length < Object.keys(before).length;
  return { changes: asMetadata([change]), outcome: isGone ? 'deleted' : 'changed' };
}

// ---- Checks ----

function invalid(text: string): never {
  throw new BrokerError('invalid-request', text);
}

function checkName(name: string, subject: string): void {
  try {
    checkShortName(name, subject);
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    invalid(`the name of ${subject} must be text of 1 to 255 bytes`);
  }
}

function checkTags(tags: readonly string[], subject: string): void {
  if (tags.length > limits.TAGS_MAX) invalid(`${subject} has ${tags.length} tags, the limit is ${limits.TAGS_MAX}`);
  for (const tag of tags) if (utf8Size(tag) > limits.TAG_BYTES_MAX) invalid(`a tag of ${subject} is too long`);
}

function checkPattern(text: string, compile: (text: string) => unknown): void {
  try {
    compile(text);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new BrokerError(
      'invalid-request',
      `the regular expression '${text.slice(0, 255)}' cannot be used: ${error.message}`,
      error,
    );
  }
}

function checkRoom(count: number, most: number, what: string): void {
  if (count >= most) throw new BrokerError('limit-exceeded', `there are ${most} ${what} already`);
}

function checkText({ access }: Catalog, more: number): void {
  if (access.textSize + more <= limits.TEXT_TOTAL_MAX) return;
  throw new BrokerError(
    'limit-exceeded',
    `policies, parameters and permissions have ${access.textSize} characters together already`,
  );
}

function checkJson(value: JsonValue, subject: string): void {
  if (depthOf(value) > limits.JSON_DEPTH_MAX)
    invalid(`the value of ${subject} is nested deeper than ${limits.JSON_DEPTH_MAX} levels`);
  const size = utf8Size(JSON.stringify(value));
  if (size > limits.JSON_BYTES_MAX)
    invalid(`the value of ${subject} has ${size} bytes, the limit is ${limits.JSON_BYTES_MAX}`);
}

/** Looks no deeper than it has to. */
function depthOf(value: JsonValue, depth = 0): number {
  if (typeof value !== 'object' || value === null || depth > limits.JSON_DEPTH_MAX) return depth;
  let deepest = depth + 1;
  for (const part of Object.values(value)) deepest = Math.max(deepest, depthOf(part as JsonValue, depth + 1));
  return deepest;
}
