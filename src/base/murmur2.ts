const MULTIPLIER = 0x5bd1e995;
const SEED = 0x9747b28c;
const MIX_SHIFT = 24;

/**
 * MurmurHash2 with the seed of Kafka's default partitioner (`org.apache.kafka.common.utils.Utils.murmur2`), over `bytes` from `start`
 * to `end`. Returns a signed 32-bit integer.
 */
export function murmur2(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const length = end - start;
  let hash = SEED ^ length;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, MULTIPLIER);
    word ^= word >>> MIX_SHIFT;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER);
  }
  if (at < end) {
    for (let tail = end - 1; tail >= at; tail--) hash ^= bytes[tail]! << (8 * (tail - at));
    hash = Math.imul(hash, MULTIPLIER);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MULTIPLIER);
  return hash ^ (hash >>> 15);
}

/** Clears the sign bit, as Kafka's `Utils.toPositive` does. */
export function toPositive(hash: number): number {
  return hash & 0x7fffffff;
}

/** The partition that Kafka's Java client chooses for a record with this key. */
export function partitionForKey(key: Uint8Array, partitionCount: number): number {
  return toPositive(murmur2(key)) % partitionCount;
}
