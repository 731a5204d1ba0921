import type { ByteCodec } from './byte-codec.js';
import { CompressionError } from './errors.js';

/**
 * A codec that is made when it is first used: its library costs a process some megabytes, and most nodes never meet most codecs. When it cannot be
 * made, `report` is told once, and every use throws a CompressionError `unavailable`.
 */
export function lazyCodec(name: string, create: () => ByteCodec, report: (reason: Error) => void): ByteCodec {
  let made: ByteCodec | CompressionError | undefined;
  const codec = (): ByteCodec => {
    made ??= make();
    if (made instanceof CompressionError) throw made;
    return made;
  };
  const make = (): ByteCodec | CompressionError => {
    try {
      return create();
    } catch (cause) {
      const error = new CompressionError(
        'unavailable',
        `Cannot load the ${name} codec: its batches will be refused`,
        cause,
      );
      report(error);
      return error;
    }
  };
  return {
    compress: (bytes) => codec().compress(bytes),
    decompress: (bytes, maxBytes) => codec().decompress(bytes, maxBytes),
  };
}
