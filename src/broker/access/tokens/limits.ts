/** Limits of tokens. Sizes in characters, times in milliseconds. */
import { assert } from '../../../base/assert.js';

/** A token: with it the header of an HTTP request, and the first frames of AMQP, have room for what else they carry. */
export const TOKEN_LENGTH_MAX = 8_192;
/** Scopes of a token that are for this node. */
export const SCOPES_MAX = 500;
/** A user's name in a token. */
export const TOKEN_USER_MAX = 255;
/** Tokens that a shard remembers, until they end, so that the same again is not computed again. */
export const TOKENS_KEPT = 4_096;
/** Tokens that are being checked on a shard, those that wait for new keys included. */
export const TOKENS_WAITING_MAX = 1_024;
/** How often a shard asks for new keys at most, because of tokens by keys that are not known. */
export const KEYS_ASKED_MS = 1_000;
/** The last moment that a token may name: the last that a date can be. */
export const EXPIRY_MAX_MS = 8_640_000_000_000_000;

assert(TOKENS_WAITING_MAX < TOKENS_KEPT, 'What was just checked is not forgotten for what is being checked');
