import { createRequire } from 'node:module';
import { CodedError } from '../../base/errors.js';
import type { ByteCodec } from './byte-codec.js';
import { corrupt, tooLarge } from './errors.js';
import { lz4DecompressedSize } from './lz4-frame.js';

type Lz4Package = Pick<typeof import('lz4-napi'), 'compressFrameSync' | 'decompressFrameSync'>;

/** The LZ4 frame format, independent blocks, without checksums of the content (the batch has its own). */
export function createLz4Codec(): ByteCodec {
  // Loaded when the codec is made, so that importing this file needs no binary. The package declares these functions.
  const lz4 = createRequire(import.meta.url)('lz4-napi') as Lz4Package;
  return {
    compress: (bytes) => lz4.compressFrameSync(asBuffer(bytes)),
    decompress: (bytes, maxBytes) => decompress(lz4, bytes, maxBytes),
  };
}

function decompress(lz4: Lz4Package, bytes: Uint8Array, maxBytes: number): Uint8Array {
  try {
    const size = lz4DecompressedSize(bytes, maxBytes);
    if (size > maxBytes) throw tooLarge('lz4', maxBytes);
    const result = lz4.decompressFrameSync(asBuffer(bytes));
    if (result.length !== size) throw corrupt('lz4', `${result.length} bytes came out where ${size} were expected`);
    return result;
  } catch (cause) {
    if (cause instanceof CodedError && cause.code === 'too-large') throw cause;
    throw corrupt('lz4', cause instanceof CodedError ? cause.message : 'the library refuses the bytes', cause);
  }
}

/** The package's declaration asks for a Buffer. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
