import type { HelloCommand } from './commands.js';

/** Who a session acts for. */
export interface Identity {
  readonly user: string;
}

/** `accepted`: who it is. Otherwise why not, in words for the client. */
export type Verdict =
  | { readonly accepted: true; readonly identity: Identity }
  | { readonly accepted: false; readonly reason: string };

/** Decides who may come in. One for every door. */
export interface Authorizer {
  /**
   * Decides on a Hello from a numeric address. A promise that rejects refuses. `certificate`: the user that the peer's verified certificate stands
   * for, which counts when the Hello has no credentials of its own.
   */
  authenticate(hello: HelloCommand, remoteAddress: string, certificate?: string): Verdict | Promise<Verdict>;
}

function isLoopback(address: string): boolean {
  const bare = address.replace(/^::ffff:/i, '');
  return bare.startsWith('127.') || bare === '::1' || bare === '0:0:0:0:0:0:0:1' || /^(0{1,4}:){7}0{0,3}1$/.test(bare);
}

/** Lets everybody in from loopback, and from elsewhere only when told so; credentials are ignored. */
export function anonymousAuthorizer(options: { readonly allowRemote: boolean } = { allowRemote: false }): Authorizer {
  return {
    authenticate: (_hello, remoteAddress) => {
      if (options.allowRemote || isLoopback(remoteAddress)) return { accepted: true, identity: { user: 'anonymous' } };
      return { accepted: false, reason: `Anonymous sessions are for loopback only, not for ${remoteAddress}` };
    },
  };
}
