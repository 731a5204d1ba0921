/**
 * Signed tokens (RFC 7519), checked with `jose`: how a token is taken apart, which headers must be understood, and that key and algorithm belong together
 * is where home-made code has let strangers in. Signatures are computed by Node's Web Cryptography, beside the event loop.
 */
import type { CryptoKey, JWTHeaderParameters } from 'jose';
import type { TokenCheck, TokenFault, TokenVerifier } from '../ports.js';
import type { TokenKey, TokenRules } from './port.js';

/** No key for a token. */
class NoKey extends Error {}

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;

/** Loaded with the first token: a shard that sees none need not keep it. */
function loadJose(): Promise<typeof import('jose')> {
  return import('jose');
}

/** See the top of this file. */
export class SignedTokens implements TokenVerifier {
  private readonly rules: TokenRules;
  private keys: readonly TokenKey[] = [];
  /** Imported keys, by key and algorithm; both are bounded. */
  private imported = new Map<string, Promise<CryptoKey | Uint8Array>>();

  constructor(rules: TokenRules, keys: readonly TokenKey[]) {
    this.rules = rules;
    this.keys = keys;
  }

  /** From now on tokens are checked with these. */
  replaceKeys(keys: readonly TokenKey[]): void {
    this.keys = keys;
    this.imported = new Map();
  }

  async check(token: string, nowMs: number): Promise<TokenCheck> {
    // Encrypted tokens have five parts, and there may be nothing around.
    if (!COMPACT.test(token)) return { valid: false, fault: 'malformed' };
    const jose = await loadJose();
    let isNamed = true;
    const find = (header: JWTHeaderParameters): Promise<CryptoKey | Uint8Array> => {
      const key = this.keyOf(header);
      isNamed = header.kid === undefined || key.kid !== undefined;
      return this.import(key, header.alg);
    };
    const { algorithms, issuer, audience, clockSkewSeconds } = this.rules;
    try {
      const { payload } = await jose.jwtVerify(token, find, {
        algorithms: [...algorithms],
        issuer,
        audience,
        clockTolerance: clockSkewSeconds,
        requiredClaims: ['exp', 'iss', 'aud'],
        currentDate: new Date(nowMs),
      });
      return { valid: true, claims: payload };
    } catch (error) {
      const fault = faultOf(error, jose.errors);
      // Not by the key that stands for all names: then it is by one that is not known.
      return { valid: false, fault: fault === 'signature' && !isNamed ? 'unknown-key' : fault };
    }
  }

  /** The key with the token's name, else the only one without a name that its algorithm could be of. `alg` is one of the rules by now. */
  private keyOf({ kid, alg }: JWTHeaderParameters): TokenKey {
    const fitting = this.keys.filter((key) => fits(key, alg));
    const named = kid === undefined ? fitting : fitting.filter((key) => key.kid === kid);
    const candidates = named.length > 0 ? named : fitting.filter((key) => key.kid === undefined);
    const [key] = candidates;
    if (key === undefined || candidates.length > 1) throw new NoKey();
    return key;
  }

  private import(key: TokenKey, alg: string): Promise<CryptoKey | Uint8Array> {
    const place = `${this.keys.indexOf(key)} ${alg}`;
    let imported = this.imported.get(place);
    if (imported === undefined) {
      imported = loadJose().then(({ importJWK }) => importJWK({ ...key }, alg));
      this.imported.set(place, imported);
    }
    return imported;
  }
}

/** Whether a key can have made a signature of this algorithm. */
function fits({ kty, alg: only, crv }: TokenKey, alg: string): boolean {
  if (only !== undefined && only !== alg) return false;
  if (kty === 'RSA') return alg.startsWith('RS') || alg.startsWith('PS');
  return CURVE_OF[alg] === crv;
}

const CURVE_OF: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

function faultOf(error: unknown, errors: typeof import('jose')['errors']): TokenFault {
  if (error instanceof NoKey) return 'unknown-key';
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm';
  if (!(error instanceof errors.JWTClaimValidationFailed)) return 'malformed';
  const { claim, reason } = error;
  if (claim === 'exp') return reason === 'missing' ? 'no-expiry' : 'malformed';
  if (claim === 'nbf' && reason === 'check_failed') return 'not-yet-valid';
  if (claim === 'iss') return 'issuer';
  return claim === 'aud' ? 'audience' : 'malformed';
}
