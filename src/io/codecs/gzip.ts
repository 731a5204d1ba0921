import { gunzipSync, gzipSync } from 'node:zlib';
import type { ByteCodec } from './byte-codec.js';
import { corrupt, tooLarge } from './errors.js';

/** RFC 1952 by zlib, level 6 as in Kafka's clients. */
export const gzipCodec: ByteCodec = {
  compress: (bytes) => gzipSync(bytes),
  decompress(bytes, maxBytes) {
    try {
      return gunzipSync(bytes, { maxOutputLength: Math.max(maxBytes, 1) });
    } catch (cause) {
      if (cause instanceof RangeError && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE') {
        throw tooLarge('gzip', maxBytes, cause);
      }
      throw corrupt('gzip', 'zlib refuses the bytes', cause);
    }
  },
};
