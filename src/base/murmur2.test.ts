import { describe, expect, it } from 'vitest';
import { murmur2, partitionForKey, toPositive } from './murmur2.js';

describe('murmur2', () => {
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('of %s is what Kafka computes', (text, expected) => {
    const bytes = new TextEncoder().encode(text);
    expect(murmur2(bytes)).toBe(expected);
    expect(murmur2(Uint8Array.of(9, ...bytes, 9), 1, bytes.length + 1)).toBe(expected);
    expect(partitionForKey(bytes, 7)).toBe((expected & 0x7fffffff) % 7);
  });

  it('is made positive by clearing the sign bit', () => {
    expect(toPositive(-1)).toBe(0x7fffffff);
    expect(toPositive(-0x80000000)).toBe(0);
    expect(toPositive(5)).toBe(5);
  });
});
