import type { ByteCodec } from './byte-codec.js';
import { gzipCodec } from './gzip.js';
import { createLz4Codec } from './lz4.js';
import { createSnappyCodec } from './snappy.js';
import { createZstdCodec } from './zstd.js';

/** The codecs' numbers in a record batch's attributes (docs/formats/record-batch.md). */
const NUMBERED: readonly (readonly [id: number, name: string, create: () => ByteCodec | Promise<ByteCodec>])[] = [
  [1, 'gzip', () => gzipCodec],
  [2, 'snappy', createSnappyCodec],
  [3, 'lz4', createLz4Codec],
  [4, 'zstd', createZstdCodec],
];

/**
 * Makes this thread's codecs and hands each to `register` (the record area's `setCodec`). One whose library does not load on this
 * platform is left out, and `report` is told; batches that need it are then refused as unsupported.
 */
export async function installCodecs(
  register: (id: number, codec: ByteCodec) => void,
  report: (reason: Error) => void,
): Promise<void> {
  for (const [id, name, create] of NUMBERED) {
    try {
      register(id, await create());
    } catch (cause) {
      report(new Error(`Cannot load the ${name} codec: its batches will be refused`, { cause }));
    }
  }
}
