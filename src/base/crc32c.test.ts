import { crc32c as reference } from '@node-rs/crc32';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { crc32c, crc32cPortable, setNativeCrc32c } from './crc32c.js';
import { NATIVE_CRC_MIN_BYTES } from './limits.js';

describe('crc32c', () => {
  afterEach(() => setNativeCrc32c(undefined));

  it('gives the values of RFC 3720, appendix B.4', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  it('agrees with machine code on any range, whole or in two parts', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.nat(300), (bytes, first, second) => {
        const start = Math.min(first, bytes.length);
        const middle = Math.min(bytes.length, start + second);
        const expected = reference(Buffer.from(bytes.subarray(start)));
        expect(crc32cPortable(bytes, start)).toBe(expected);
        expect(crc32c(bytes, middle, bytes.length, crc32c(bytes, start, middle))).toBe(expected);
      }),
    );
  });

  it('hands ranges from the threshold on to the installed implementation', () => {
    const seen: number[] = [];
    setNativeCrc32c((bytes, previous) => {
      seen.push(bytes.length);
      return crc32cPortable(bytes, 0, bytes.length, previous);
    });
    const bytes = Uint8Array.from({ length: NATIVE_CRC_MIN_BYTES + 9 }, (_, index) => index);
    expect(crc32c(bytes, 5, 5 + NATIVE_CRC_MIN_BYTES, 77)).toBe(crc32cPortable(bytes, 5, 5 + NATIVE_CRC_MIN_BYTES, 77));
    crc32c(bytes, 0, NATIVE_CRC_MIN_BYTES - 1);
    expect(seen).toEqual([NATIVE_CRC_MIN_BYTES]);
  });
});
