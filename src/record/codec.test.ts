import { afterEach, describe, expect, it } from 'vitest';
import { CodedError } from '../base/errors.js';
import { BatchBuilder } from './batch-builder.js';
import { CODEC_GZIP, CODEC_NONE, CODEC_ZSTD, codecByName, decompressRecords, hasCodec, setCodec } from './codec.js';
import { RecordError } from './errors.js';
import { readRecords } from './record-reader.js';

class TooLarge extends CodedError<'too-large'> {}

describe('the codec registry', () => {
  afterEach(() => setCodec(CODEC_ZSTD, undefined));

  it('knows only the absence of compression until told more', () => {
    expect([hasCodec(CODEC_NONE), hasCodec(CODEC_ZSTD)]).toEqual([true, false]);
    expect([codecByName('zstd'), codecByName('none'), codecByName('brotli')]).toEqual([4, 0, undefined]);
    const builder = new BatchBuilder().start({ codec: CODEC_ZSTD });
    builder.append(null, null, 0);
    expect(codeOf(() => builder.finish())).toBe('unsupported-codec');
    expect(codeOf(() => decompressRecords(CODEC_GZIP, new Uint8Array(1)))).toBe('unsupported-codec');
    expect(codeOf(() => decompressRecords(7, new Uint8Array(1)))).toBe('unsupported-codec');
  });

  it('is used both ways, and tells bombs from corrupt bytes', () => {
    const invert = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => ~byte);
    setCodec(CODEC_ZSTD, {
      compress: invert,
      decompress(bytes, maxBytes) {
        if (bytes.length > maxBytes) throw new TooLarge('too-large', 'too large');
        if (bytes.length === 1) throw new Error('corrupt');
        return invert(bytes);
      },
    });
    const builder = new BatchBuilder().start({ codec: CODEC_ZSTD });
    builder.append(null, Uint8Array.of(1, 2), 5);
    const batch = builder.finish();
    expect(batch.at(-1)).toBe(0xff);
    expect(readRecords(batch, 0)[0]?.value).toEqual(Uint8Array.of(1, 2));
    expect(codeOf(() => decompressRecords(CODEC_ZSTD, new Uint8Array(5), 4))).toBe('decompressed-too-large');
    expect(codeOf(() => decompressRecords(CODEC_ZSTD, new Uint8Array(1)))).toBe('corrupt-compression');
  });
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof RecordError) return error.code;
    throw error;
  }
  return 'no error';
}
