import { CodedError } from '../base/errors.js';
import { RecordError } from './errors.js';
import { MAX_DECOMPRESSED_BYTES } from './limits.js';

/** Not compressed. */
export const CODEC_NONE = 0;
/** RFC 1952. */
export const CODEC_GZIP = 1;
/** Snappy, in the framing of xerial's Java library or bare. */
export const CODEC_SNAPPY = 2;
/** The LZ4 frame format. */
export const CODEC_LZ4 = 3;
/** RFC 8878. */
export const CODEC_ZSTD = 4;

/** Number of a codec in a batch's attributes. */
export type CodecId = 0 | 1 | 2 | 3 | 4;

/** The codecs' names as they appear in configurations, by number. */
export const CODEC_NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** A compression, as whoever runs the process provides it: Node has all, a browser none. */
export interface Codec {
  /** Returns `bytes` compressed. Throws a CodedError with code `unavailable` where the codec turns out not to work here, as `decompress` does. */
  compress(bytes: Uint8Array): Uint8Array;
  /**
   * Returns `bytes` decompressed, never reserving much more than `maxBytes` for it. Throws a CodedError with code `too-large` if the
   * result would be longer; any other error means that the bytes are corrupt.
   */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array;
}

const registry: (Codec | undefined)[] = [];

/** Provides the implementation of a codec to this thread, or takes it away. */
export function setCodec(id: number, codec: Codec | undefined): void {
  registry[id] = codec;
}

/** Whether batches of this codec can be read here. */
export function hasCodec(id: number): boolean {
  return id === CODEC_NONE || registry[id] !== undefined;
}

/** The number of the codec that a configuration names, or undefined if there is none of that name. */
export function codecByName(name: string): CodecId | undefined {
  const names: readonly string[] = CODEC_NAMES;
  const index = names.indexOf(name);
  // The index of a name in the list is a codec's number by construction.
  return index === -1 ? undefined : (index as CodecId);
}

/** Compresses a batch's records. @throws RecordError `unsupported-codec`. */
export function compressRecords(id: number, records: Uint8Array): Uint8Array {
  if (id === CODEC_NONE) return records;
  const codec = required(id, 'compress');
  try {
    return codec.compress(records);
  } catch (cause) {
    throw isUnavailable(cause) ? unsupported(id, 'compress', cause) : cause;
  }
}

/**
 * Decompresses a batch's records.
 * @throws RecordError `unsupported-codec`, `corrupt-compression` or `decompressed-too-large`.
 */
export function decompressRecords(
  id: number,
  records: Uint8Array,
  maxBytes: number = MAX_DECOMPRESSED_BYTES,
): Uint8Array {
  if (id === CODEC_NONE) return records;
  const codec = required(id, 'decompress');
  try {
    return codec.decompress(records, maxBytes);
  } catch (cause) {
    if (isUnavailable(cause)) throw unsupported(id, 'decompress', cause);
    const name = CODEC_NAMES[id];
    if (cause instanceof CodedError && cause.code === 'too-large') {
      const message = `Cannot decompress ${records.length} bytes of ${name}: the result would exceed ${maxBytes} bytes`;
      throw new RecordError('decompressed-too-large', message, cause);
    }
    throw new RecordError(
      'corrupt-compression',
      `Cannot decompress ${records.length} bytes of ${name}: they are corrupt`,
      cause,
    );
  }
}

function required(id: number, action: string): Codec {
  const codec = registry[id];
  if (codec === undefined) throw unsupported(id, action);
  return codec;
}

function isUnavailable(error: unknown): boolean {
  return error instanceof CodedError && error.code === 'unavailable';
}

function unsupported(id: number, action: string, cause?: unknown): RecordError {
  const name = CODEC_NAMES[id] ?? 'unknown';
  return new RecordError(
    'unsupported-codec',
    `Cannot ${action} records: codec ${id} (${name}) is not available here`,
    cause,
  );
}
