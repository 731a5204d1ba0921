/** The one authorizer: who may come in and what for, from the image of users and permissions that this shard has. docs/design/access.md. */
import { encodeUtf8 } from '../../base/utf8.js';
import type { Clock, NameCounts, PasswordHasher, Random, TimerHandle, Timers } from '../../io/ports.js';
import {
  type AccessAction,
  type AccessControl,
  type AccessKind,
  type AccessVerdict,
  type Admission,
  type Credentials,
  isLoopback,
  type LiveSession,
  type Principal,
  type TokenAuthority,
} from '../access.js';
import type { Catalog } from '../catalog.js';
import type { AuditTrail } from './audit.js';
import { SESSION_CHECK_MS, VERDICTS_KEPT } from './limits.js';
import { LoginCache, LoginQueue } from './logins.js';
import type { UserEntry } from './model.js';
import { needsUpgrade, Passwords } from './passwords.js';
import { type Pattern, permissionPattern, quotePattern } from './pattern.js';
import type { VerifierUpgrade } from './requests.js';
import { endOf } from './session-end.js';
import { looksLikeToken } from './tokens/token-logins.js';

/** From where sessions need no credentials. */
export type AnonymousRule = 'off' | 'loopback' | 'everywhere';

/** What a shard's authorizer needs. */
export interface StoreAccessOptions {
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly hasher: PasswordHasher;
  /** Rounds of PBKDF2 for passwords that are hashed anew; absent = the usual number. */
  readonly iterations?: number;
  readonly counts: NameCounts;
  readonly audit: AuditTrail;
  readonly anonymous: AnonymousRule;
  /** They come in from loopback only. */
  readonly loopbackUsers: readonly string[];
  /** ControlLink's. */
  readonly upgradeVerifiers: (upgrade: VerifierUpgrade) => Promise<void>;
  readonly tokens?: TokenAuthority;
}

const NOT_ANY: Pattern = { test: () => false };
const ACTIONS: readonly AccessAction[] = ['configure', 'write', 'read'];
/** The name by which permissions know the default exchange. */
const DEFAULT_EXCHANGE = 'amq.default';

interface Verdicts {
  version: number;
  readonly known: Map<string, boolean>;
}

/** See the top of this file. */
export class StoreAccess implements AccessControl {
  private readonly options: StoreAccessOptions;
  private readonly catalog: Catalog;
  private readonly passwords: Passwords;
  private readonly queue: LoginQueue;
  private readonly cache: LoginCache;
  private readonly cacheKey: Uint8Array;
  private readonly verdicts = new WeakMap<Principal, Verdicts>();
  private readonly sessions = new Set<LiveSession>();
  private checkTimer: TimerHandle | undefined;
  private isCheckAsked = false;
  private changes = 1;

  constructor(options: StoreAccessOptions) {
    this.options = options;
    this.catalog = options.catalog;
    this.passwords = new Passwords(options.hasher, options.random, options.iterations);
    this.queue = new LoginQueue(options.clock, options.timers);
    this.cache = new LoginCache(options.clock);
    this.cacheKey = options.random.bytes(32);
  }

  get version(): number {
    return this.changes;
  }

  /** Sessions that are watched over. */
  get sessionCount(): number {
    return this.sessions.size;
  }

  /** Users, permissions or virtual hosts have changed: no verdict of before counts any more. */
  changed(): void {
    this.changes++;
    if (this.isCheckAsked || this.sessions.size === 0) return;
    this.isCheckAsked = true;
    this.options.timers.setImmediate(() => {
      this.isCheckAsked = false;
      this.checkSessions(true);
    });
  }

  // ---- Coming in ----

  authenticate(credentials: Credentials, remoteAddress: string): AccessVerdict | Promise<AccessVerdict> {
    const verdict = this.decide(credentials, remoteAddress);
    if (!(verdict instanceof Promise)) return this.audited(credentials, remoteAddress, verdict);
    return verdict.then((decided) => this.audited(credentials, remoteAddress, decided));
  }

  private decide(credentials: Credentials, remoteAddress: string): AccessVerdict | Promise<AccessVerdict> {
    const { user, mechanism } = credentials;
    const token = this.tokenIn(credentials);
    if (token !== undefined) return this.byToken({ ...credentials, token }, remoteAddress);
    if (mechanism === 'EXTERNAL') return this.byCertificate(credentials, remoteAddress);
    if (mechanism === 'native' && user === '' && credentials.password === '')
      return this.anonymously(credentials, remoteAddress);
    return this.byPassword(credentials, remoteAddress);
  }

  /** The token, also where it stands in the place of the password, as RabbitMQ's clients send it. */
  private tokenIn({ token, mechanism, password }: Credentials): string | undefined {
    if (token !== undefined && token !== '') return token;
    const mayHide = mechanism === 'PLAIN' || mechanism === 'AMQPLAIN' || mechanism === 'basic';
    return mayHide && this.options.tokens !== undefined && looksLikeToken(password) ? password : undefined;
  }

  private byToken(credentials: Credentials, remoteAddress: string): AccessVerdict | Promise<AccessVerdict> {
    const { tokens } = this.options;
    if (tokens === undefined) return refused('tokens are not accepted here');
    if (this.queue.isOverrun(remoteAddress)) return refused('too many logins under way');
    const verdict = tokens.authenticate(credentials, remoteAddress);
    return verdict instanceof Promise ? this.slowed(verdict, remoteAddress) : verdict;
  }

  /** A token cannot be guessed: who has a good one does not wait because of others behind his address. */
  private async slowed(deciding: Promise<AccessVerdict>, remoteAddress: string): Promise<AccessVerdict> {
    const verdict = await deciding;
    if (!verdict.accepted) await this.queue.withholdFailure(remoteAddress);
    return verdict;
  }

  private anonymously(credentials: Credentials, remoteAddress: string): AccessVerdict {
    const { anonymous } = this.options;
    const isWelcome = anonymous === 'everywhere' || (anonymous === 'loopback' && isLoopback(remoteAddress));
    if (!isWelcome) {
      return refused(
        anonymous === 'off'
          ? 'Log in: anonymous sessions are not accepted here'
          : `Log in: anonymous sessions are for loopback only, not for ${remoteAddress}`,
      );
    }
    return accepted({ user: 'anonymous', tags: [], kind: 'anonymous', ...whereFrom(credentials, remoteAddress) });
  }

  private byCertificate(credentials: Credentials, remoteAddress: string): AccessVerdict {
    const name = credentials.certificate;
    if (name === undefined || name === '') return refused('there is no verified client certificate');
    const user = this.catalog.access.user(name);
    if (user === undefined) return refused(`user '${name}' - invalid credentials`);
    return this.letIn(user, credentials, remoteAddress);
  }

  private byPassword(credentials: Credentials, remoteAddress: string): AccessVerdict | Promise<AccessVerdict> {
    const user = this.catalog.access.user(credentials.user);
    const digest = this.digestOf(credentials, user);
    if (user !== undefined && this.cache.has(digest)) return this.letIn(user, credentials, remoteAddress);
    return this.check(credentials, remoteAddress, digest);
  }

  private async check(credentials: Credentials, remoteAddress: string, digest: string): Promise<AccessVerdict> {
    const { user: name, password } = credentials;
    let checked: UserEntry | undefined;
    const isRight = await this.queue.run(remoteAddress, () => {
      // What counts is the user when it is his turn.
      checked = this.catalog.access.user(name);
      return this.passwords.isRight(checked?.verifiers ?? [], password);
    });
    if (isRight === 'busy') return refused(`user '${name}' - too many logins under way`);
    const user = this.catalog.access.user(name);
    // Deleted or given another password meanwhile.
    const isSame = user !== undefined && user.passwordVersion === checked?.passwordVersion;
    if (!isRight || !isSame) return refused(`user '${name}' - invalid credentials`);
    this.cache.add(digest);
    if (needsUpgrade(user)) void this.upgrade(user, password);
    return this.letIn(user, credentials, remoteAddress);
  }

  private digestOf({ user, password }: Credentials, entry: UserEntry | undefined): string {
    const content = encodeUtf8(`${user.length}:${user}${entry?.passwordVersion ?? 0}:${password}`);
    return Buffer.from(this.options.hasher.hmac('sha256', this.cacheKey, content)).toString('latin1');
  }

  /** RabbitMQ's hash has done its duty. Should it fail, the next login tries again. */
  private async upgrade({ name: user, passwordVersion }: UserEntry, password: string): Promise<void> {
    try {
      const verifiers = await this.passwords.verifiers(password);
      await this.options.upgradeVerifiers({ user, passwordVersion, verifiers });
    } catch {
      // The user is in all the same, and the hash stays.
    }
  }

  private letIn(user: UserEntry, credentials: Credentials, remoteAddress: string): AccessVerdict {
    const isLocalOnly = this.options.loopbackUsers.includes(user.name);
    if (isLocalOnly && !isLoopback(remoteAddress)) {
      return refused(`user '${user.name}' can only connect via localhost`);
    }
    const { name, tags, passwordVersion } = user;
    return accepted({ user: name, tags, kind: 'user', passwordVersion, ...whereFrom(credentials, remoteAddress) });
  }

  private audited(credentials: Credentials, address: string, verdict: AccessVerdict): AccessVerdict {
    if (verdict.accepted) return verdict;
    const { user, mechanism, door = 'amqp' } = credentials;
    this.options.audit.note({
      audit: 'login',
      user,
      address,
      door,
      action: mechanism,
      resource: '',
      vhost: '',
      verdict: 'denied',
      reason: verdict.reason,
    });
    return verdict;
  }

  // ---- What for ----

  mayEnter(principal: Principal, vhost: string): boolean {
    if (this.isOpen(principal, vhost)) return true;
    this.deny(principal, 'enter', 'enter', `vhost '${vhost}'`, vhost, 'no permissions');
    return false;
  }

  private isOpen(principal: Principal, vhost: string): boolean {
    if (principal.authority !== undefined) return principal.authority.mayEnter(vhost);
    if (principal.kind === 'anonymous') return true;
    return this.catalog.access.permission(principal.user, vhost) !== undefined;
  }

  may(principal: Principal, vhost: string, action: AccessAction, kind: AccessKind, name: string): boolean {
    const resource = kind === 'exchange' && name === '' ? DEFAULT_EXCHANGE : name;
    const verdict = this.verdictOn(principal, vhost, action, kind, resource);
    if (!verdict) this.deny(principal, 'access', action, `${kind} '${resource}'`, vhost, 'no permission');
    return verdict;
  }

  mayKnow(principal: Principal, vhost: string, kind: AccessKind, name: string): boolean {
    const resource = kind === 'exchange' && name === '' ? DEFAULT_EXCHANGE : name;
    return ACTIONS.some((action) => this.verdictOn(principal, vhost, action, kind, resource));
  }

  private verdictOn(
    principal: Principal,
    vhost: string,
    action: AccessAction,
    kind: AccessKind,
    resource: string,
  ): boolean {
    if (principal.kind === 'anonymous') return true;
    const verdicts = this.verdictsOf(principal);
    const key = `${action[0]}${kind[0]}${vhost.length}:${vhost}${resource}`;
    let verdict = verdicts.get(key);
    if (verdict === undefined) {
      verdict = this.judge(principal, vhost, action, kind, resource);
      if (verdicts.size >= VERDICTS_KEPT) verdicts.clear();
      verdicts.set(key, verdict);
    }
    return verdict;
  }

  private judge(principal: Principal, vhost: string, action: AccessAction, kind: AccessKind, name: string): boolean {
    if (principal.authority !== undefined) return principal.authority.may(vhost, action, kind, name);
    const permission = this.catalog.access.permission(principal.user, vhost);
    return permission !== undefined && compiled(permission[action]).test(name);
  }

  topicGuard(
    principal: Principal,
    vhost: string,
    exchange: string,
    action: 'write' | 'read',
  ): ((routingKey: string) => boolean) | undefined {
    const allows = this.topicRule(principal, vhost, exchange, action);
    if (allows === undefined) return undefined;
    return (routingKey) => {
      if (allows(routingKey)) return true;
      const subject = `topic '${routingKey}' in exchange '${exchange}'`;
      this.deny(principal, 'access', action, subject, vhost, 'no topic permission');
      return false;
    };
  }

  private topicRule(
    principal: Principal,
    vhost: string,
    exchange: string,
    action: 'write' | 'read',
  ): ((routingKey: string) => boolean) | undefined {
    const { authority, user, clientId } = principal;
    if (principal.kind === 'anonymous') return undefined;
    if (authority !== undefined) return (routingKey) => authority.mayTopic(vhost, action, exchange, routingKey);
    const permission = this.catalog.access.topicPermission(user, vhost, exchange);
    if (permission === undefined) return undefined;
    const text = expanded(permission[action], { username: user, vhost, client_id: clientId });
    const found = compiled(text);
    return (routingKey) => found.test(routingKey);
  }

  private verdictsOf(principal: Principal): Map<string, boolean> {
    let verdicts = this.verdicts.get(principal);
    if (verdicts === undefined) {
      verdicts = { version: this.changes, known: new Map() };
      this.verdicts.set(principal, verdicts);
    } else if (verdicts.version !== this.changes) {
      verdicts.version = this.changes;
      verdicts.known.clear();
    }
    return verdicts.known;
  }

  private deny(
    principal: Principal,
    audit: 'enter' | 'access',
    action: string,
    resource: string,
    vhost: string,
    reason: string,
  ): void {
    const { user, address = '', door = 'amqp' } = principal;
    this.options.audit.note({ audit, user, address, door, action, resource, vhost, verdict: 'denied', reason });
  }

  // ---- Sessions ----

  enter(session: LiveSession): Admission {
    const { vhost } = session;
    const { principal } = session;
    const places: number[] = [];
    const refusal =
      this.takePlace(
        places,
        `v${vhost}`,
        this.catalog.access.vhostLimits(vhost)['max-connections'],
        (limit) =>
          `access to vhost '${vhost}' refused for user '${principal.user}': connection limit (${limit}) is reached`,
      ) ??
      this.takePlace(
        places,
        `u${userKey(principal)}`,
        this.userLimit(principal, 'max-connections'),
        (limit) => `connection refused for user '${principal.user}': user connection limit (${limit}) is reached`,
      );
    if (refusal !== undefined) {
      this.giveBack(places);
      this.deny(principal, 'enter', 'enter', `vhost '${vhost}'`, vhost, refusal);
      return { admitted: false, reason: refusal };
    }
    this.sessions.add(session);
    this.watch();
    let hasLeft = false;
    const leave = (): void => {
      if (hasLeft) return;
      hasLeft = true;
      this.sessions.delete(session);
      this.giveBack(places);
    };
    return { admitted: true, leave };
  }

  openChannel(principal: Principal): string | undefined {
    const places: number[] = [];
    const refusal = this.takePlace(
      places,
      `c${userKey(principal)}`,
      this.userLimit(principal, 'max-channels'),
      (limit) =>
        `number of channels opened for user '${principal.user}' has reached the maximum allowed user limit of (${limit})`,
    );
    if (refusal === undefined) return undefined;
    this.giveBack(places);
    this.deny(principal, 'access', 'open', 'channel', '', refusal);
    return refusal;
  }

  closeChannel(principal: Principal): void {
    const { counts } = this.options;
    counts.add(counts.slotOf(`c${userKey(principal)}`), -1);
  }

  private userLimit(principal: Principal, limit: 'max-connections' | 'max-channels'): number | undefined {
    return principal.kind === 'anonymous' ? undefined : this.catalog.access.userLimits(principal.user)[limit];
  }

  /** Counts one more, whether there is a limit or not: one may come. Returns why there is no place. */
  private takePlace(
    places: number[],
    name: string,
    limit: number | undefined,
    sentence: (limit: number) => string,
  ): string | undefined {
    const { counts } = this.options;
    const slot = counts.slotOf(name);
    places.push(slot);
    const before = counts.add(slot, 1);
    return limit !== undefined && limit >= 0 && before >= limit ? sentence(limit) : undefined;
  }

  private giveBack(places: readonly number[]): void {
    for (const slot of places) this.options.counts.add(slot, -1);
  }

  private watch(): void {
    if (this.checkTimer !== undefined) return;
    this.checkTimer = this.options.timers.setTimeout(() => {
      this.checkTimer = undefined;
      this.checkSessions(false);
      if (this.sessions.size > 0) this.watch();
    }, SESSION_CHECK_MS);
    this.checkTimer.unref();
  }

  /** `isChange`: something else than time has changed. */
  private checkSessions(isChange: boolean): void {
    const nowMs = this.options.clock.nowMs();
    for (const session of [...this.sessions]) {
      const end = endOf(session, this.catalog, nowMs, (principal, vhost) => this.isOpen(principal, vhost));
      if (end === undefined) {
        if (isChange) session.recheck?.();
        continue;
      }
      const { principal, vhost } = session;
      this.deny(principal, 'enter', 'stay', `vhost '${vhost}'`, vhost, end.text);
      session.end(end.why, end.text);
    }
  }
}

function accepted(principal: Principal): AccessVerdict {
  return { accepted: true, principal };
}

function refused(reason: string): AccessVerdict {
  return { accepted: false, reason };
}

function whereFrom(
  { door = 'amqp', clientId }: Credentials,
  address: string,
): Pick<Principal, 'address' | 'door' | 'clientId'> {
  return { address, door, ...(clientId === undefined ? {} : { clientId }) };
}

/** Users of tokens and of the store may have the same name, and the same limits; nobody is like anonymous. */
function userKey({ kind, user }: Principal): string {
  return kind === 'anonymous' ? 'a' : `u${user}`;
}

/** Expressions were compiled before they were set: one that cannot be is of an older version, and denies. */
function compiled(text: string): Pattern {
  try {
    return permissionPattern(text);
  } catch {
    return NOT_ANY;
  }
}

/** Puts values in the place of `{names}`, as texts that mean themselves. */
function expanded(text: string, values: Readonly<Record<string, string | undefined>>): string {
  return text.replaceAll(/\{(username|vhost|client_id)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : quotePattern(value);
  });
}
