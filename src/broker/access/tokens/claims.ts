/** From the claims of a token that was found good to who its bearer is, and what he may do. */
import { EXPIRY_MAX_MS, SCOPES_MAX, TOKEN_USER_MAX } from './limits.js';
import { type Rights, rightsOf } from './scopes.js';

/** Where a token says what. */
export interface ClaimRules {
  /** The claims that can name the user; the first that is there does. */
  readonly usernameClaims: readonly string[];
  /** The claim with the scopes: a text with spaces between them, or a list of texts. */
  readonly scopeClaim: string;
  /** What scopes for this node begin with; others are for others. */
  readonly scopePrefix: string;
  /** By how much clocks may differ, in seconds. */
  readonly clockSkewSeconds: number;
}

/** Who comes in with a token. */
export interface Bearer extends Rights {
  readonly user: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

type Claims = Readonly<Record<string, unknown>>;

/** Reads claims; a text says why they cannot be used. */
export function bearerOf(claims: Claims, rules: ClaimRules): Bearer | string {
  const { exp } = claims;
  if (typeof exp !== 'number') return 'the token has no end';
  const expiresAtMs = Math.min((exp + rules.clockSkewSeconds) * 1000, EXPIRY_MAX_MS);
  const user = userOf(claims, rules.usernameClaims);
  if (user === undefined) return `the token names no user in ${rules.usernameClaims.join(', ')}`;
  const scopes = scopesOf(claims, rules);
  if (scopes === undefined) return `the token's ${rules.scopeClaim} is neither text nor a list of texts`;
  if (scopes.size > SCOPES_MAX) return `the token has more than ${SCOPES_MAX} scopes for this node`;
  return { user, expiresAtMs, ...rightsOf(scopes) };
}

function userOf(claims: Claims, names: readonly string[]): string | undefined {
  for (const name of names) {
    const user = own(claims, name);
    // Control characters would let a user write lines of his own into logs.
    if (typeof user === 'string' && user !== '' && user.length <= TOKEN_USER_MAX && !/\p{Cc}/u.test(user)) return user;
  }
  return undefined;
}

/** The scopes for this node, each once and without the prefix. */
function scopesOf(claims: Claims, { scopeClaim, scopePrefix }: ClaimRules): Set<string> | undefined {
  const given = own(claims, scopeClaim) ?? [];
  const listed: readonly unknown[] | undefined =
    typeof given === 'string' ? [given] : Array.isArray(given) ? given : undefined;
  if (listed === undefined || !listed.every((text) => typeof text === 'string')) return undefined;
  const scopes = new Set<string>();
  for (const scope of listed.flatMap((text) => text.split(' '))) {
    if (scope.startsWith(scopePrefix) && scope !== scopePrefix) scopes.add(scope.slice(scopePrefix.length));
  }
  return scopes;
}

/** What tokens say is looked up among their own words, never among what every object has. */
function own(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}
