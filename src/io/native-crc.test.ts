import { afterEach, describe, expect, it } from 'vitest';
import { crc32c, crc32cPortable, setNativeCrc32c } from '../base/crc32c.js';
import { installNativeCrc32c } from './native-crc.js';

describe('installNativeCrc32c', () => {
  afterEach(() => setNativeCrc32c(undefined));

  it('agrees with the tables on ranges, continued sums and shared memory', () => {
    const reports: Error[] = [];
    installNativeCrc32c((reason) => reports.push(reason));
    const shared = new Uint8Array(new SharedArrayBuffer(5000)).map((_, index) => index * 7);
    for (const bytes of [shared, Uint8Array.from(shared)]) {
      for (const previous of [0, 1, 0xffffffff]) {
        expect(crc32c(bytes, 3, 4000, previous)).toBe(crc32cPortable(bytes, 3, 4000, previous));
      }
    }
    expect(reports).toEqual([]);
  });
});
