import { assert } from '../../base/assert.js';

/**
 * Weight of the routes that a router keeps per cache generation; there are two. A route weighs ROUTE_WEIGHT and one for each destination: a
 * destination is one reference of eight bytes, a route its key and objects around it.
 */
export const CACHE_GENERATION_WEIGHT = 512 * 1024;

/** What a route without destinations weighs: some 200 bytes and a routing key of up to 255. */
export const ROUTE_WEIGHT = 32;

assert(ROUTE_WEIGHT < CACHE_GENERATION_WEIGHT, 'A cache generation must hold a route');

/** Exchanges that have counts of their own; further ones are counted together. */
export const COUNTED_EXCHANGES_MAX = 10_000;
