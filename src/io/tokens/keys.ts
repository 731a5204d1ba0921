/** Where the keys come from that tokens are checked with: a key set (RFC 7517) in a file or at an address, or one public key in PEM. */
import { createPublicKey } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { TokenKeysError } from './errors.js';
import * as limits from './limits.js';
import type { TokenKey } from './port.js';

const BASE64URL = /^[A-Za-z0-9_-]+$/;
/** Bytes of a coordinate, by curve (RFC 7518 §6.2.1). */
const CURVES: ReadonlyMap<string, number> = new Map([
  ['P-256', 32],
  ['P-384', 48],
  ['P-521', 66],
]);

/** The keys that were found, and what was passed over, in sentences. */
export interface FoundKeys {
  readonly keys: readonly TokenKey[];
  readonly passedOver: readonly string[];
}

/** Reads the keys of a file or an address. @throws TokenKeysError */
export async function readKeySet(source: string): Promise<FoundKeys> {
  const text = /^https?:\/\//i.test(source) ? await fetchText(source) : readText(source);
  return parseKeySet(text, source);
}

/** Reads one public key in PEM. It has no name: it is for every token whose key no other has the name of. @throws TokenKeysError */
export function readPemKey(file: string): TokenKey {
  const text = readText(file);
  let exported: unknown;
  try {
    // A private key would be taken for its public half: who keeps one here has mistaken what this file is for.
    if (/PRIVATE KEY/.test(text)) throw new Error('it is a private key');
    exported = createPublicKey(text).export({ format: 'jwk' });
  } catch (error) {
    throw new TokenKeysError('bad-keys', `${file} holds no public key in PEM: ${reasonOf(error)}`, error);
  }
  const key = publicKeyOf(exported);
  if (typeof key === 'string') throw new TokenKeysError('bad-keys', `The key in ${file} cannot be used: ${key}`);
  return key;
}

/** Reads a key set. What it holds besides keys for signatures is passed over. @throws TokenKeysError when nothing is left. */
export function parseKeySet(text: string, source: string): FoundKeys {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch (error) {
    throw new TokenKeysError('bad-keys', `${source} holds no JSON`, error);
  }
  const listed = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : undefined;
  if (!Array.isArray(listed)) throw new TokenKeysError('bad-keys', `${source} holds no key set: it has no "keys"`);
  if (listed.length > limits.KEYS_MAX) {
    throw new TokenKeysError('bad-keys', `${source} holds ${listed.length} keys, and ${limits.KEYS_MAX} is the limit`);
  }
  const read = listed.map(publicKeyOf);
  const keys = read.filter((key) => typeof key !== 'string');
  const passedOver = read.flatMap((key, index) => (typeof key === 'string' ? [`key ${index + 1}: ${key}`] : []));
  if (keys.length > 0) return { keys, passedOver };
  throw new TokenKeysError('bad-keys', [`${source} holds no key that can be used`, ...passedOver].join('; '));
}

/** The public part of a key; a text says why it cannot be used. */
function publicKeyOf(given: unknown): TokenKey | string {
  if (typeof given !== 'object' || given === null) return 'it is no object';
  const { kty, kid, alg, use, d }: Record<string, unknown> = { ...given };
  if (use !== undefined && use !== 'sig') return `it is not for signatures but for ${JSON.stringify(use)}`;
  if (d !== undefined) return 'it is a private key';
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > limits.KEY_NAME_MAX)) return 'its name is no name';
  if (alg !== undefined && typeof alg !== 'string') return 'its algorithm is no name';
  const named = { ...(kid === undefined ? {} : { kid }), ...(alg === undefined ? {} : { alg }) };
  if (kty === 'RSA') return rsaKeyOf({ ...given }, named);
  if (kty === 'EC') return curveKeyOf({ ...given }, named);
  // A symmetric key above all: whoever could check with it could make tokens.
  return `keys of type ${JSON.stringify(kty)} are not used here`;
}

type Named = Pick<TokenKey, 'kid' | 'alg'>;

function rsaKeyOf({ n, e }: Record<string, unknown>, named: Named): TokenKey | string {
  if (!isBase64Url(n) || !isBase64Url(e)) return 'its numbers are not in base64url';
  const modulus = Buffer.from(n, 'base64url');
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (bits < limits.RSA_BITS_MIN || bits > limits.RSA_BITS_MAX) {
    return `it has ${bits} bits; it must have ${limits.RSA_BITS_MIN} to ${limits.RSA_BITS_MAX}`;
  }
  if (Buffer.from(e, 'base64url').length > limits.RSA_EXPONENT_BYTES_MAX) return 'its exponent is too long';
  return { kty: 'RSA', n, e, ...named };
}

function curveKeyOf({ crv, x, y }: Record<string, unknown>, named: Named): TokenKey | string {
  const bytes = typeof crv === 'string' ? CURVES.get(crv) : undefined;
  if (typeof crv !== 'string' || bytes === undefined) return `the curve ${JSON.stringify(crv)} is not used here`;
  const isCoordinate = (value: unknown): value is string =>
    isBase64Url(value) && Buffer.from(value, 'base64url').length === bytes;
  if (!isCoordinate(x) || !isCoordinate(y)) return 'its coordinates are none of its curve';
  return { kty: 'EC', crv, x, y, ...named };
}

function isBase64Url(value: unknown): value is string {
  return typeof value === 'string' && BASE64URL.test(value);
}

function readText(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > limits.KEY_SET_BYTES_MAX) {
      throw new Error(`it has ${size} bytes, and ${limits.KEY_SET_BYTES_MAX} is the limit`);
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new TokenKeysError('unreadable', `${file} cannot be read: ${reasonOf(error)}`, error);
  }
}

async function fetchText(url: string): Promise<string> {
  try {
    // Who is redirected elsewhere would take the keys of whoever answers there.
    const answer = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(limits.FETCH_TIMEOUT_MS),
      headers: { accept: 'application/jwk-set+json, application/json' },
    });
    if (!answer.ok) {
      await answer.body?.cancel();
      throw new Error(`it answered ${answer.status}`);
    }
    return await boundedText(answer);
  } catch (error) {
    throw new TokenKeysError('unreadable', `${url} cannot be read: ${reasonOf(error)}`, error);
  }
}

async function boundedText(answer: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop by the error cancels the rest of the body.
  for await (const piece of answer.body ?? []) {
    size += piece.length;
    if (size > limits.KEY_SET_BYTES_MAX) throw new Error(`it has more than ${limits.KEY_SET_BYTES_MAX} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // What fetch says itself is "fetch failed".
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}
