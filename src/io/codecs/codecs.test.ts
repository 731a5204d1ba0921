import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodedError } from '../../base/errors.js';
import type { ByteCodec } from './byte-codec.js';
import { installCodecs } from './install.js';
import { lz4DecompressedSize } from './lz4-frame.js';
import { loadWasmEngine, zlibEngine, zstdCodecOf } from './zstd.js';
import { readZstdFrame } from './zstd-frame.js';

const MAX_BYTES = 1 << 20;
const codecs: [name: string, codec: ByteCodec][] = [['zstd by WebAssembly', zstdCodecOf(loadWasmEngine())]];
const native = zlibEngine();
if (native !== undefined) codecs.push(['zstd by zlib', zstdCodecOf(native)]);
const names = ['', 'gzip', 'snappy', 'lz4', 'zstd'];
installCodecs(
  (id, codec) => codecs.push([names[id] ?? `codec ${id}`, codec]),
  (reason) => {
    throw reason;
  },
);

const compressible = fc
  .tuple(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1, max: 3000 }))
  .map(([bytes, times]) => {
    const repeated = new Uint8Array(bytes.length * times);
    for (let copy = 0; copy < times; copy++) repeated.set(bytes, copy * bytes.length);
    return repeated;
  });

describe.each(codecs)('%s', (_, codec) => {
  it('gives back what it compressed, with exactly enough room', () => {
    fc.assert(
      fc.property(fc.oneof(compressible, fc.uint8Array({ maxLength: 5000, size: 'max' })), (bytes) => {
        const compressed = codec.compress(bytes);
        expect(Buffer.from(codec.decompress(compressed, bytes.length)).equals(bytes)).toBe(true);
        expect(codec.decompress(compressed, MAX_BYTES).length).toBe(bytes.length);
        if (bytes.length > 1) expect(codeOf(() => codec.decompress(compressed, bytes.length - 1))).toBe('too-large');
      }),
    );
  });

  it('refuses a bomb without unpacking it', () => {
    const bomb = codec.compress(new Uint8Array(256 << 20));
    const before = process.memoryUsage().rss;
    expect(codeOf(() => codec.decompress(bomb, MAX_BYTES))).toBe('too-large');
    expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20);
  });

  it('takes input from shared memory and from the middle of a buffer', () => {
    const compressed = codec.compress(new Uint8Array(3000).fill(5));
    const shared = new Uint8Array(new SharedArrayBuffer(compressed.length + 20)).fill(0xee);
    shared.set(compressed, 9);
    expect(codec.decompress(shared.subarray(9, 9 + compressed.length), MAX_BYTES).length).toBe(3000);
  });

  it('answers cut and changed bytes with a typed error or a bounded result', () => {
    const text = new TextEncoder().encode('{"sensor": 1, "reading": 20.5}, {"sensor": 2, "reading": 21.25}'.repeat(20));
    const compressed = codec.compress(text);
    for (let length = 0; length < compressed.length; length++) {
      expectTypedOrBounded(codec, compressed.subarray(0, length));
      for (const mask of [1, 0x10, 0x80, 0xff]) {
        const changed = Uint8Array.from(compressed);
        changed[length]! ^= mask;
        expectTypedOrBounded(codec, changed);
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => expectTypedOrBounded(codec, bytes)));
    expect(codec.decompress(compressed, MAX_BYTES).length).toBe(text.length);
  });
});

describe('snappy', () => {
  const codec = find('snappy');

  it('reads bare blocks, and blocks of xerial that end apart from records', () => {
    const bare = Uint8Array.of(5, 4 << 2, 1, 2, 3, 4, 5);
    expect([...codec.decompress(bare, 5)]).toEqual([1, 2, 3, 4, 5]);
    const framed = codec.compress(new Uint8Array(100_000).fill(9));
    expect(Buffer.from(framed.subarray(0, 16)).toString('hex')).toBe('82534e4150505900' + '00000001' + '00000001');
    expect(codec.decompress(framed, 100_000).length).toBe(100_000);
  });

  it('does not believe an announced length', () => {
    expect(codeOf(() => codec.decompress(Uint8Array.of(0xff, 0xff, 0x3f, 0), MAX_BYTES))).toBe('corrupt');
    expect(codeOf(() => codec.decompress(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0), MAX_BYTES))).toBe('too-large');
  });
});

describe('lz4DecompressedSize', () => {
  it('steps over checksums of blocks', () => {
    // "abc" a hundred times, with checksums of the block and of the content.
    const hex = '04224d187440bd0f0000003f6162630300ff1160616263616263e3881eb300000000bed6ca55';
    expect(lz4DecompressedSize(Buffer.from(hex, 'hex'), 1000)).toBe(300);
    expect(Buffer.from(find('lz4').decompress(Buffer.from(hex, 'hex'), 300)).toString()).toBe('abc'.repeat(100));
  });

  it('stops counting once the limit is passed', () => {
    const bomb = find('lz4').compress(new Uint8Array(64 << 20));
    expect(lz4DecompressedSize(bomb, 64 << 20)).toBe(64 << 20);
    expect(lz4DecompressedSize(bomb, 1000)).toBeLessThan(8 << 20);
  });
});

describe('readZstdFrame', () => {
  // Magic, a descriptor with an 8-byte content size of 2^40 in a single segment, and one last raw block of one byte.
  const lying = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 0x09, 0, 0, 7);

  it('does not believe a content size that the blocks cannot hold', () => {
    expect(() => readZstdFrame(lying, 0)).toThrow('blocks for 1 bytes cannot hold 1099511627776');
  });

  it('bounds frames that do not announce their size', () => {
    // 512 KiB in four blocks of 128 KiB that each repeat one byte.
    const blocks = [0, 0, 0, 1].flatMap((isLast) => [isLast | 2, 0, 0x10, 7]);
    const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, ...blocks);
    expect(readZstdFrame(frame, 0)).toEqual({ end: frame.length, contentSize: -1, sizeBound: 512 << 10 });
    // "abc" a hundred times, with a checksum, in one compressed block: what may come out is 128 KiB.
    const text = Buffer.from('28b52ffd040055000018616263010026aa6e082bac9d8f', 'hex');
    for (const [name, codec] of codecs) {
      if (!name.startsWith('zstd')) continue;
      expect(codec.decompress(frame, 512 << 10).length).toBe(512 << 10);
      expect(codeOf(() => codec.decompress(frame, (512 << 10) - 1))).toBe('too-large');
      expect(codec.decompress(Buffer.concat([text, text]), 600).length).toBe(600);
      expect(codeOf(() => codec.decompress(text, 299))).toBe('too-large');
    }
  });

  it('skips skippable frames and joins the others', () => {
    const skippable = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9);
    for (const [name, codec] of codecs) {
      if (!name.startsWith('zstd')) continue;
      const part = codec.compress(Uint8Array.of(1, 2, 3));
      expect([...codec.decompress(Uint8Array.of(...part, ...skippable, ...part), 6)]).toEqual([1, 2, 3, 1, 2, 3]);
      expect(codeOf(() => codec.decompress(Uint8Array.of(...part, ...skippable, ...part), 5))).toBe('too-large');
    }
  });

  it('takes members of gzip that follow each other within one limit', () => {
    const member = gzipSync(new Uint8Array(600));
    expect(find('gzip').decompress(Buffer.concat([member, member]), 1200).length).toBe(1200);
    expect(codeOf(() => find('gzip').decompress(Buffer.concat([member, member]), 1199))).toBe('too-large');
  });
});

function find(wanted: string): ByteCodec {
  const found = codecs.find(([name]) => name === wanted);
  if (found === undefined) throw new Error(`There is no codec ${wanted}`);
  return found[1];
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof CodedError) return String(error.code);
    throw error;
  }
  return 'no error';
}

function expectTypedOrBounded(codec: ByteCodec, bytes: Uint8Array): void {
  const limit = 10_000;
  try {
    expect(codec.decompress(bytes, limit).length).toBeLessThanOrEqual(limit);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
  }
}
