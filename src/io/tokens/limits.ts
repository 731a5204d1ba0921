/** Limits of the keys that tokens are checked with. */
import { assert } from '../../base/assert.js';

/** A key set, or a file with a key. */
export const KEY_SET_BYTES_MAX = 256 * 1024;
/** Keys of a set; a set with more is refused. */
export const KEYS_MAX = 64;
/** Characters of a key's name. */
export const KEY_NAME_MAX = 512;
/** An RSA key's modulus: shorter ones are weak (RFC 7518 §3.3), longer ones make every login slow. */
export const RSA_BITS_MIN = 2_048;
export const RSA_BITS_MAX = 8_192;
/** An RSA key's public exponent: a long one makes every login slow. */
export const RSA_EXPONENT_BYTES_MAX = 4;
/** Time for a key set to come from its address, in milliseconds. */
export const FETCH_TIMEOUT_MS = 5_000;

assert(RSA_BITS_MIN < RSA_BITS_MAX, 'Some RSA keys can be used');
