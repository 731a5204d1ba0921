import type { ClaimRules } from '../broker/access/tokens/claims.js';
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm, type TokenRules } from '../io/tokens/port.js';
import { ConfigError, isLoopbackName, type NodeConfig } from './config.js';

/** Where the keys of tokens come from. At least one of them is there. */
export interface TokenSources {
  /** A file or an address. */
  readonly keySet: string | undefined;
  /** A file. */
  readonly pemKey: string | undefined;
  readonly refreshMs: number;
}

/** Where the keys come from; undefined when tokens are no logins here. @throws ConfigError for settings that do not go together. */
export function tokenSourcesOf(config: NodeConfig): TokenSources | undefined {
  const { jwtJwks, jwtKey, jwtRefreshInterval } = config;
  if (jwtJwks === undefined && jwtKey === undefined) {
    if (config.jwtIssuer === undefined && config.jwtAudience === undefined) return undefined;
    throw bad('--jwt-issuer and --jwt-audience are for a node with --jwt-jwks or --jwt-key');
  }
  if (jwtJwks !== undefined) checkSource(jwtJwks);
  tokenRulesOf(config);
  return { keySet: jwtJwks, pemKey: jwtKey, refreshMs: jwtRefreshInterval * 1000 };
}

/** Keys that come in clear could be anybody's. */
function checkSource(source: string): void {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(source)) return;
  const url = URL.canParse(source) ? new URL(source) : undefined;
  if (url?.protocol === 'https:') return;
  if (url?.protocol === 'http:' && isLoopbackName(url.hostname.replace(/^\[|\]$/g, ''))) return;
  throw bad(`--jwt-jwks is "${source}": it must be a file or an https address; http is for loopback only`);
}

/** What tokens must be like. @throws ConfigError */
export function tokenRulesOf(config: NodeConfig): TokenRules {
  const { jwtIssuer: issuer, jwtAudience: audience } = config;
  // Without them every token that the issuer gives anybody for anything would be a login.
  if (issuer === undefined) throw bad('tokens need --jwt-issuer: whose they are');
  if (audience === undefined) throw bad('tokens need --jwt-audience: the name by which they mean this node');
  const algorithms = config.jwtAlgorithms.map(algorithmOf);
  if (algorithms.length === 0) throw bad('--jwt-algorithms names none');
  return { algorithms, issuer, audience, clockSkewSeconds: config.jwtClockSkew };
}

/** How claims become a login. */
export function claimRulesOf(config: NodeConfig): ClaimRules {
  return {
    usernameClaims: config.jwtUsernameClaim,
    scopeClaim: config.jwtScopeClaim,
    scopePrefix: config.jwtScopePrefix ?? `${config.jwtAudience}.`,
    clockSkewSeconds: config.jwtClockSkew,
  };
}

function algorithmOf(name: string): SignatureAlgorithm {
  const known = SIGNATURE_ALGORITHMS.find((one) => one === name.trim());
  if (known !== undefined) return known;
  throw bad(
    `--jwt-algorithms has "${name}": there are ${SIGNATURE_ALGORITHMS.join(', ')}. Unsigned tokens and those with a shared secret are never taken`,
  );
}

function bad(what: string): ConfigError {
  return new ConfigError('bad-setting', `Cannot start: ${what}`);
}
