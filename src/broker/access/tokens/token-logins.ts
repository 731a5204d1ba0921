/**
 * Logins by token: checked beside the event loop, remembered by a digest until they end. A token by a key that is not known has the keys looked up
 * anew, as often as that is allowed.
 */
import { encodeUtf8 } from '../../../base/utf8.js';
import type { Clock, PasswordHasher, TokenCheck, TokenFault, TokenVerifier } from '../../../io/ports.js';
import type { AccessVerdict, Credentials, Principal, TokenAuthority } from '../../access.js';
import { type Bearer, bearerOf, type ClaimRules } from './claims.js';
import * as limits from './limits.js';

/** What logins by token need. */
export interface TokenLoginOptions {
  readonly verifier: TokenVerifier;
  readonly rules: ClaimRules;
  readonly clock: Clock;
  readonly hasher: PasswordHasher;
  /** Has the keys looked up anew; resolves when the verifier has them, with whether there are new ones. */
  readonly refreshKeys: () => Promise<boolean>;
}

const REASONS: { readonly [Fault in TokenFault]: string } = {
  malformed: 'the token is not one',
  algorithm: 'the token is signed in a way that is not allowed here',
  'unknown-key': 'the token is signed with a key that is not known here',
  signature: "the token's signature is wrong",
  expired: 'the token has expired',
  'not-yet-valid': 'the token is not valid yet',
  issuer: 'the token is of another issuer',
  audience: 'the token is for another audience',
  'no-expiry': 'the token has no end',
};

/** Whether a password can only be meant as a token: three parts, of which the first is a JSON object in base64url. */
export function looksLikeToken(password: string): boolean {
  return password.startsWith('eyJ') && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(password);
}

/** See the top of this file. */
export class TokenLogins implements TokenAuthority {
  private readonly options: TokenLoginOptions;
  /** By digest, the one that was used least recently first. */
  private readonly known = new Map<string, Bearer>();
  private pending = 0;
  private generation = 0;
  private refreshing: Promise<boolean> | undefined;
  private askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: TokenLoginOptions) {
    this.options = options;
  }

  /** Tokens that are remembered. */
  get knownCount(): number {
    return this.known.size;
  }

  /** The keys have changed: what was found with those before counts no more. */
  forget(): void {
    this.known.clear();
    this.generation++;
  }

  authenticate(credentials: Credentials, remoteAddress: string): AccessVerdict | Promise<AccessVerdict> {
    const { token = '' } = credentials;
    if (token.length > limits.TOKEN_LENGTH_MAX) {
      return refused(`the token has ${token.length} characters, and ${limits.TOKEN_LENGTH_MAX} is the limit`);
    }
    const digest = this.digestOf(token);
    const known = this.recall(digest);
    if (known !== undefined) return accepted(known, credentials, remoteAddress);
    if (this.pending >= limits.TOKENS_WAITING_MAX) return refused('too many logins under way');
    this.pending++;
    return this.check(token, digest)
      .then((found) => (typeof found === 'string' ? refused(found) : accepted(found, credentials, remoteAddress)))
      .finally(() => this.pending--);
  }

  private async check(token: string, digest: string): Promise<Bearer | string> {
    let { generation } = this;
    let checked = await this.verify(token);
    if (!checked.valid && checked.fault === 'unknown-key') {
      const isNew = await this.refresh();
      // Somebody else's question may have brought new keys meanwhile.
      if (isNew || generation !== this.generation) {
        generation = this.generation;
        checked = await this.verify(token);
      }
    }
    if (!checked.valid) return REASONS[checked.fault];
    const bearer = bearerOf(checked.claims, this.options.rules);
    // What was found with keys that are gone by now is good for this login alone.
    if (typeof bearer !== 'string' && generation === this.generation) this.remember(digest, bearer);
    return bearer;
  }

  private verify(token: string): Promise<TokenCheck> {
    const { verifier, clock } = this.options;
    return verifier.check(token, clock.nowMs());
  }

  /** One question at a time, for all who wait; whether there are new keys. */
  private refresh(): Promise<boolean> {
    if (this.refreshing !== undefined) return this.refreshing;
    const nowMs = this.options.clock.monotonicMs();
    if (nowMs - this.askedAtMs < limits.KEYS_ASKED_MS) return Promise.resolve(false);
    this.askedAtMs = nowMs;
    const asked = this.options
      .refreshKeys()
      .catch(() => false)
      .finally(() => {
        this.refreshing = undefined;
      });
    this.refreshing = asked;
    return asked;
  }

  /** The token itself is kept nowhere. */
  private digestOf(token: string): string {
    return Buffer.from(this.options.hasher.digest('sha256', encodeUtf8(token))).toString('latin1');
  }

  private recall(digest: string): Bearer | undefined {
    const bearer = this.known.get(digest);
    if (bearer === undefined) return undefined;
    this.known.delete(digest);
    if (this.options.clock.nowMs() >= bearer.expiresAtMs) return undefined;
    this.known.set(digest, bearer);
    return bearer;
  }

  private remember(digest: string, bearer: Bearer): void {
    this.known.set(digest, bearer);
    if (this.known.size <= limits.TOKENS_KEPT) return;
    for (const oldest of this.known.keys()) {
      this.known.delete(oldest);
      return;
    }
  }
}

function accepted(bearer: Bearer, { door = 'amqp', clientId }: Credentials, address: string): AccessVerdict {
  const { user, tags, authority, expiresAtMs } = bearer;
  const client = clientId === undefined ? {} : { clientId };
  const principal: Principal = { user, tags, kind: 'token', expiresAtMs, authority, address, door, ...client };
  return { accepted: true, principal };
}

function refused(reason: string): AccessVerdict {
  return { accepted: false, reason };
}
