import type { ByteCodec } from './byte-codec.js';
import { gzipCodec } from './gzip.js';
import { lazyCodec } from './lazy.js';
import { createLz4Codec } from './lz4.js';
import { createSnappyCodec } from './snappy.js';
import { createZstdCodec } from './zstd.js';

/** The codecs' numbers in a record batch's attributes (docs/formats/record-batch.md). */
const NUMBERED: readonly (readonly [id: number, name: string, create: () => ByteCodec])[] = [
  [1, 'gzip', () => gzipCodec],
  [2, 'snappy', createSnappyCodec],
  [3, 'lz4', createLz4Codec],
  [4, 'zstd', createZstdCodec],
];

/**
 * Hands each of this thread's codecs to `register` (the record area's `setCodec`); their libraries are loaded with the first batch that needs them.
 * When one does not load on this platform, `report` is told then, and batches that need it are refused as unsupported.
 */
export function installCodecs(register: (id: number, codec: ByteCodec) => void, report: (reason: Error) => void): void {
  for (const [id, name, create] of NUMBERED) register(id, lazyCodec(name, create, report));
}
