import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrokerError } from '../../broker/errors.js';
import { installCodecs } from '../../io/codecs/install.js';
import { BatchBuilder } from '../../record/batch-builder.js';
import { CODEC_GZIP, CODEC_NAMES, CODEC_NONE, type Codec, type CodecId, setCodec } from '../../record/codec.js';
import type { RecordHeader } from '../../record/records.js';
import { checkPublishedBatch } from './batches.js';
import { FRAME_OVERHEAD_BYTES, MAX_DECODED_BATCH_BYTES, sessionLimits } from './limits.js';

const MIB = 1024 * 1024;
const CODECS: readonly CodecId[] = [0, 1, 2, 3, 4];
const limits = sessionLimits({ maxMessageBytes: MIB });
/** The largest results that decompression was allowed, in the order of the calls. */
const allowed: number[] = [];

beforeAll(() => {
  const spy = (id: number, codec: Codec): void =>
    setCodec(id, {
      compress: (bytes) => codec.compress(bytes),
      decompress: (bytes, maxBytes) => {
        allowed.push(maxBytes);
        return codec.decompress(bytes, maxBytes);
      },
    });
  installCodecs(spy, () => undefined);
});
afterAll(() => {
  for (const id of CODECS) if (id !== CODEC_NONE) setCodec(id, undefined);
});

function batchOf(codec: CodecId, valueBytes: readonly number[], headers: readonly RecordHeader[] = []): Uint8Array {
  const builder = new BatchBuilder().start({ codec });
  for (const bytes of valueBytes) builder.append(null, new Uint8Array(bytes), 1, headers);
  return builder.finish().slice();
}

function refusal(batch: Uint8Array, within = limits): BrokerError | undefined {
  try {
    checkPublishedBatch(batch, within);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof BrokerError) return thrown;
    throw thrown;
  }
}

describe.each(CODECS.map((id) => [CODEC_NAMES[id], id] as const))(
  'a published batch with compression %s',
  (_, codec) => {
    it('may hold messages up to the limit, and none above it', () => {
      expect(checkPublishedBatch(batchOf(codec, [MIB]), limits)).toBe(1);
      expect(checkPublishedBatch(batchOf(codec, [MIB, 1, 0]), limits)).toBe(3);
      for (const [sizes, at] of [
        [[MIB + 1], 0],
        [[1, 2, MIB + 1, 3], 2],
      ] as const) {
        const error = refusal(batchOf(codec, sizes));
        expect(error?.code).toBe('too-large');
        expect(error?.message).toContain(`a message of ${MIB + 1} bytes, the one at offset ${at} of the batch`);
      }
    });

    it('has messages weighed with their keys and headers', () => {
      const headers: RecordHeader[] = [
        ['a', null],
        ['bc', new Uint8Array(7)],
      ];
      expect(checkPublishedBatch(batchOf(codec, [MIB - 10], headers), limits)).toBe(1);
      expect(refusal(batchOf(codec, [MIB - 9], headers))?.code).toBe('too-large');
    });
  },
);

describe.each(CODECS.filter((id) => id !== CODEC_NONE).map((id) => [CODEC_NAMES[id], id] as const))(
  'a bomb of %s',
  (name, codec) => {
    it('is refused before it has taken more memory than a frame may', () => {
      const bomb = batchOf(codec, Array(64).fill(MIB));
      expect(bomb.length).toBeLessThan(4 * MIB);
      allowed.length = 0;
      const error = refusal(bomb);
      expect(error?.code).toBe('too-large');
      expect(error?.message).toContain(`of ${name}: the result would exceed ${MIB + FRAME_OVERHEAD_BYTES} bytes`);
      expect(allowed).toEqual([MIB + FRAME_OVERHEAD_BYTES]);
    });
  },
);

it('with a limit for messages that is larger, batches are refused that nobody could decode', () => {
  const generous = sessionLimits({ maxMessageBytes: 2 * MAX_DECODED_BATCH_BYTES });
  const sizes = [MAX_DECODED_BATCH_BYTES / 2, MAX_DECODED_BATCH_BYTES / 2];
  expect(refusal(batchOf(CODEC_GZIP, sizes), generous)?.code).toBe('too-large');
});
