import { afterEach, expect, test } from 'vitest';
import { crc32c, crc32cPortable, setNativeCrc32c } from '../base/crc32c.js';
import { useNativeCrc } from './native-crc.js';

afterEach(() => setNativeCrc32c(undefined));

test('checksums computed natively equal those of the tables, at every size around the threshold', async () => {
  await useNativeCrc();
  const bytes = Uint8Array.from({ length: 2000 }, (_, index) => (index * 7) & 0xff);
  for (let length = 0; length <= bytes.length; length += 13) {
    expect(crc32c(bytes, 0, length)).toBe(crc32cPortable(bytes, 0, length));
  }
});
