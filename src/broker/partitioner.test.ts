import { describe, expect, it } from 'vitest';
import { Partitioner } from './partitioner.js';

describe('Partitioner', () => {
  it('chooses by key as the clients of Kafka do', () => {
    const partitioner = new Partitioner();
    // From Kafka's UtilsTest: murmur2("21") = -973932308, murmur2("foobar") = -790332482; the sign bit is cleared before the remainder.
    const key = (text: string) => new TextEncoder().encode(text);
    expect(partitioner.forKey(key('21'), 1000)).toBe((-973932308 & 0x7fffffff) % 1000);
    expect(partitioner.forKey(key('foobar'), 7)).toBe((-790332482 & 0x7fffffff) % 7);
    expect(partitioner.forKey(key(''), 12)).toBe(partitioner.forKey(key(''), 12));
  });

  it('goes round from where its shard starts, also when partitions are added', () => {
    const partitioner = new Partitioner(4);
    expect([3, 3, 3, 3, 4, 4].map((count) => partitioner.next(count))).toEqual([1, 2, 0, 1, 2, 3]);
  });
});
