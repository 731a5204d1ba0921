/**
 * Who may come in, and what for: one store and one authorizer for every door. docs/design/queue-model.md says who asks.
 */

/** What a peer has said about itself. */
export interface Credentials {
  readonly mechanism: 'PLAIN' | 'AMQPLAIN' | 'EXTERNAL' | 'native';
  readonly user: string;
  readonly password: string;
  /** A bearer token instead of user and password. */
  readonly token?: string;
}

/** Who a session acts for. */
export interface Principal {
  readonly user: string;
  /** `impersonator` may publish with the user ids of others. */
  readonly tags: readonly string[];
}

/** `accepted`: who it is. Otherwise why not, in words for the log: peers are told less. */
export type AccessVerdict =
  | { readonly accepted: true; readonly principal: Principal }
  | { readonly accepted: false; readonly reason: string };

/** What a permission is for: to declare and delete; to publish and to bind to; to consume and to bind from. */
export type AccessAction = 'configure' | 'write' | 'read';

/** Decides who may come in, and what they may do. Called often: the answers to `mayEnter` and `may` come at once. */
export interface AccessControl {
  /** Decides on credentials from a numeric address. A promise that rejects refuses. */
  authenticate(credentials: Credentials, remoteAddress: string): AccessVerdict | Promise<AccessVerdict>;
  /** Whether the virtual host is open to this principal. */
  mayEnter(principal: Principal, vhost: string): boolean;
  may(principal: Principal, vhost: string, action: AccessAction, kind: 'exchange' | 'queue', name: string): boolean;
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

/** One user who may do everything, from loopback only unless `allowRemote`. */
export function guestAccess(options: {
  readonly user: string;
  readonly password: string;
  readonly allowRemote: boolean;
}): AccessControl {
  const principal: Principal = { user: options.user, tags: ['administrator'] };
  return {
    authenticate: (credentials, remoteAddress) => {
      const isRight = credentials.user === options.user && isSameSecret(credentials.password, options.password);
      if (!isRight) return { accepted: false, reason: `user '${credentials.user}' - invalid credentials` };
      if (options.allowRemote || isLoopback(remoteAddress)) return { accepted: true, principal };
      return { accepted: false, reason: `user '${credentials.user}' can only connect via localhost` };
    },
    mayEnter: () => true,
    may: () => true,
  };
}
