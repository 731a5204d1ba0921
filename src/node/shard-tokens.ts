/** Logins by token on one shard. */
import { TokenLogins } from '../broker/access/tokens/token-logins.js';
import { realClock } from '../io/clock/real-clock.js';
import { realPasswordHasher } from '../io/password-hasher.js';
import type { TokenKey } from '../io/tokens/port.js';
import { SignedTokens } from '../io/tokens/verifier.js';
import type { ControlRequests } from './control-requests.js';
import type { ShardSetup } from './shard-setup.js';
import { claimRulesOf, tokenRulesOf, tokenSourcesOf } from './token-settings.js';

/** What the authorizer asks, and what takes new keys. */
export interface ShardTokens {
  readonly logins: TokenLogins;
  replaceKeys(keys: readonly TokenKey[]): void;
}

/** Undefined when tokens are no logins here. */
export function shardTokens({ config, tokenKeys }: ShardSetup, control: ControlRequests): ShardTokens | undefined {
  if (tokenSourcesOf(config) === undefined) return undefined;
  const verifier = new SignedTokens(tokenRulesOf(config), tokenKeys);
  const logins = new TokenLogins({
    verifier,
    rules: claimRulesOf(config),
    clock: realClock,
    hasher: realPasswordHasher,
    refreshKeys: () => control.refreshTokenKeys(),
  });
  const replaceKeys = (keys: readonly TokenKey[]): void => {
    verifier.replaceKeys(keys);
    logins.forget();
  };
  return { logins, replaceKeys };
}
