/**
 * Who may come in, and what for: one store and one authorizer for every door. docs/design/access.md says who asks, and what is answered.
 */
import type { DoorKind } from './access/requests.js';

/** What a peer has said about itself. */
export interface Credentials {
  readonly mechanism: 'PLAIN' | 'AMQPLAIN' | 'EXTERNAL' | 'native' | 'basic' | 'bearer';
  readonly user: string;
  readonly password: string;
  /** A bearer token instead of user and password. */
  readonly token?: string;
  /** The user that the TLS layer has read from a verified client certificate; never what the peer says itself. */
  readonly certificate?: string;
  /** The way in; absent = amqp. */
  readonly door?: DoorKind;
  /** What the client calls itself, for `{client_id}` in topic permissions. */
  readonly clientId?: string;
}

/** What a token lets its bearer do, instead of the store. */
export interface Authority {
  mayEnter(vhost: string): boolean;
  may(vhost: string, action: AccessAction, kind: AccessKind, name: string): boolean;
  mayTopic(vhost: string, action: 'write' | 'read', exchange: string, routingKey: string): boolean;
}

/** Who a session acts for. One object per session: verdicts are kept by it. */
export interface Principal {
  readonly user: string;
  /** `impersonator` may publish with the user ids of others; `administrator`, `policymaker`, `monitoring`, `management` are for `/api`. */
  readonly tags: readonly string[];
  /** Absent = user. `token`: the store need not know the user. */
  readonly kind?: 'user' | 'anonymous' | 'token';
  /** UserEntry's at the login. */
  readonly passwordVersion?: number;
  readonly address?: string;
  readonly door?: DoorKind;
  readonly clientId?: string;
  /** Milliseconds since 1970 from which on the credentials count no more. */
  readonly expiresAtMs?: number;
  readonly authority?: Authority;
}

/** `accepted`: who it is. Otherwise why not, in words for the log: peers are told less. */
export type AccessVerdict =
  | { readonly accepted: true; readonly principal: Principal }
  | { readonly accepted: false; readonly reason: string };

/** What a permission is for: to declare and delete; to publish and to bind to; to consume and to bind from. */
export type AccessAction = 'configure' | 'write' | 'read';

/** What a permission is about; `topic`: a native topic that is no queue. */
export type AccessKind = 'exchange' | 'queue' | 'topic';

/** Why a session must end. */
export type SessionEnd =
  | 'user-deleted'
  | 'password-changed'
  | 'credentials-expired'
  | 'vhost-deleted'
  | 'vhost-refused';

/** A session that was let in, as the authorizer sees it. */
export interface LiveSession {
  /** The one whose verdicts count now: another after its credentials were renewed. */
  readonly principal: Principal;
  readonly vhost: string;
  /** Ends it, in the protocol's words; `text` is a sentence for the peer, such as `user 'x' is deleted`. */
  end(why: SessionEnd, text: string): void;
  /** Permissions have changed: what goes on by itself, such as consumers, is to be checked again. */
  recheck?(): void;
}

/** A session's place under the limits of its user and virtual host; `leave` gives it back, once. */
export type Admission =
  | { readonly admitted: true; leave(): void }
  | { readonly admitted: false; readonly reason: string };

/** Decides who may come in, and what they may do. Called often: all answers but `authenticate`'s come at once. */
export interface AccessControl {
  /** Another number whenever a verdict may have changed. */
  readonly version: number;
  /** Decides on credentials from a numeric address. A promise that rejects refuses. */
  authenticate(credentials: Credentials, remoteAddress: string): AccessVerdict | Promise<AccessVerdict>;
  /** Whether the virtual host is open to this principal. */
  mayEnter(principal: Principal, vhost: string): boolean;
  /** A denial goes into the audit log. */
  may(principal: Principal, vhost: string, action: AccessAction, kind: AccessKind, name: string): boolean;
  /** Whether one of the three actions is allowed: then it may be known that it is there. */
  mayKnow(principal: Principal, vhost: string, kind: AccessKind, name: string): boolean;
  /** Asks for the routing keys of one topic exchange; undefined = all are allowed, until `version` changes. */
  topicGuard(
    principal: Principal,
    vhost: string,
    exchange: string,
    action: 'write' | 'read',
  ): ((routingKey: string) => boolean) | undefined;
  /** Gives a session its place, and watches over it until it leaves. */
  enter(session: LiveSession): Admission;
  /** Counts a channel of the user; returns why it may not be opened, in RabbitMQ's words. */
  openChannel(principal: Principal): string | undefined;
  /** A channel that was counted has closed. */
  closeChannel(principal: Principal): void;
}

/** Decides on bearer tokens. */
export interface TokenAuthority {
  /** As AccessControl's; `credentials.token` is there. */
  authenticate(credentials: Credentials, remoteAddress: string): AccessVerdict | Promise<AccessVerdict>;
}

/** Whether a numeric address is one of this machine. */
export function isLoopback(address: string): boolean {
  const bare = address.replace(/^::ffff:/i, '');
  return bare.startsWith('127.') || bare === '::1' || /^(0{1,4}:){7}0{0,3}1$/.test(bare);
}

/** Compares without telling by its duration where two texts differ; their lengths it may tell. */
function isSameSecret(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length;
  for (let index = 0; index < given.length; index++) {
    difference |= given.charCodeAt(index) ^ (expected.length === 0 ? 1 : expected.charCodeAt(index % expected.length));
  }
  return difference === 0;
}

/** One user who may do everything, from loopback only unless `allowRemote`; for tests of doors. */
export function guestAccess(options: {
  readonly user: string;
  readonly password: string;
  readonly allowRemote: boolean;
}): AccessControl {
  const principal: Principal = { user: options.user, tags: ['administrator'] };
  return {
    ...openAccess,
    authenticate: (credentials, remoteAddress) => {
      const { mechanism, certificate, password } = credentials;
      // The TLS layer has verified the certificate; what the peer says itself is not looked at.
      const isVerified = mechanism === 'EXTERNAL' && certificate === options.user;
      const isRight = isVerified || (credentials.user === options.user && isSameSecret(password, options.password));
      if (!isRight) return { accepted: false, reason: `user '${credentials.user}' - invalid credentials` };
      if (options.allowRemote || isLoopback(remoteAddress)) return { accepted: true, principal };
      return { accepted: false, reason: `user '${credentials.user}' can only connect via localhost` };
    },
  };
}

/** Everybody may do everything once he is in. */
const openAccess: Omit<AccessControl, 'authenticate'> = {
  version: 0,
  mayEnter: () => true,
  may: () => true,
  mayKnow: () => true,
  topicGuard: () => undefined,
  enter: () => ({ admitted: true, leave: () => {} }),
  openChannel: () => undefined,
  closeChannel: () => {},
};

/** Lets everybody in from loopback, and from elsewhere only when told so; credentials are ignored. For tests of doors. */
export function anonymousAccess(options: { readonly allowRemote: boolean } = { allowRemote: false }): AccessControl {
  return {
    ...openAccess,
    authenticate: (_credentials, remoteAddress) => {
      if (options.allowRemote || isLoopback(remoteAddress)) {
        return { accepted: true, principal: { user: 'anonymous', tags: [], kind: 'anonymous' } };
      }
      return { accepted: false, reason: `Anonymous sessions are for loopback only, not for ${remoteAddress}` };
    },
  };
}
