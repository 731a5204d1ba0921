import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as zlib from 'node:zlib';
import { CodedError } from '../../base/errors.js';
import type { ByteCodec } from './byte-codec.js';
import { corrupt, tooLarge } from './errors.js';
import { readZstdFrame } from './zstd-frame.js';

/** What is needed of a Zstandard library. */
export interface ZstdEngine {
  readonly name: 'zlib' | 'wasm';
  compress(bytes: Uint8Array): Uint8Array;
  /** Decompresses one frame into at most `capacity` bytes; throws if they do not suffice. */
  decompressFrame(frame: Uint8Array, capacity: number): Uint8Array;
}

/** Zstandard (RFC 8878): by Node's own zlib where it has it (from 22.15), else by WebAssembly. */
export function createZstdCodec(): ByteCodec {
  return zstdCodecOf(zlibEngine() ?? loadWasmEngine());
}

/** The codec over a given library. */
export function zstdCodecOf(engine: ZstdEngine): ByteCodec {
  return {
    compress: (bytes) => engine.compress(bytes),
    decompress: (bytes, maxBytes) => decompress(engine, bytes, maxBytes),
  };
}

/** Frames may follow each other; each is decompressed by itself into what the ones before left of `maxBytes`. */
function decompress(engine: ZstdEngine, bytes: Uint8Array, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  let at = 0;
  while (at < bytes.length) {
    const frame = frameAt(bytes, at);
    const part = decompressFrame(engine, bytes.subarray(at, frame.end), frame, maxBytes - size);
    size += part.length;
    parts.push(part);
    at = frame.end;
  }
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(size);
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}

function frameAt(bytes: Uint8Array, at: number): ReturnType<typeof readZstdFrame> {
  try {
    return readZstdFrame(bytes, at);
  } catch (cause) {
    throw corrupt('zstd', cause instanceof CodedError ? cause.message : 'the frame cannot be read', cause);
  }
}

function decompressFrame(
  engine: ZstdEngine,
  frame: Uint8Array,
  { contentSize, sizeBound }: { contentSize: number; sizeBound: number },
  room: number,
): Uint8Array {
  if (sizeBound === 0) return new Uint8Array(0);
  if (contentSize > room) throw tooLarge('zstd', room);
  const capacity = contentSize === -1 ? Math.min(sizeBound, room) : contentSize;
  try {
    return engine.decompressFrame(frame, capacity);
  } catch (cause) {
    if (contentSize === -1 && sizeBound > room && isOutOfRoom(cause)) throw tooLarge('zstd', room, cause);
    throw corrupt('zstd', 'the library refuses the bytes', cause);
  }
}

/** Zlib's error has a code of its own; the WebAssembly build only says -70, ZSTD_error_dstSize_tooSmall, in its message. */
function isOutOfRoom(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  return ('code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE') || cause.message.endsWith(' -70');
}

type ZlibZstd = (bytes: Uint8Array, options?: { maxOutputLength: number }) => Uint8Array;

/** Node's own Zstandard, or undefined where this Node has none. */
export function zlibEngine(): ZstdEngine | undefined {
  // The declarations are those of Node 20, which lacks both; later ones give them this type.
  const { zstdCompressSync, zstdDecompressSync } = zlib as {
    zstdCompressSync?: ZlibZstd;
    zstdDecompressSync?: ZlibZstd;
  };
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined;
  return {
    name: 'zlib',
    compress: (bytes) => zstdCompressSync(bytes),
    decompressFrame: (frame, capacity) => zstdDecompressSync(frame, { maxOutputLength: Math.max(capacity, 1) }),
  };
}

/** What is used of @bokuweb/zstd-wasm, whose own declarations its export map hides. */
interface ZstdWasmPackage {
  compress(bytes: Uint8Array): Uint8Array;
  /** `defaultHeapSize` is what it reserves when the frame does not announce its size. */
  decompress(bytes: Uint8Array, options: { defaultHeapSize: number }): Uint8Array;
}

/** The package's Emscripten module. Its `init` calls `instantiateWasm`, where there is one, instead of compiling in the background. */
interface ZstdWasmModule {
  instantiateWasm?: (
    imports: WebAssembly.Imports,
    receive: (instance: WebAssembly.Instance) => WebAssembly.Exports,
  ) => WebAssembly.Exports;
  init(): void;
  /** Whether its start-up code has run. */
  calledRun?: boolean;
}

/** The WebAssembly build, for Node below 22.15. Compiled at once, so that whoever meets the first compressed batch need not wait for a promise. */
export function loadWasmEngine(): ZstdEngine {
  const require = createRequire(import.meta.url);
  // The interfaces above are checked by this file's tests against the installed version.
  const wasm = require('@bokuweb/zstd-wasm') as ZstdWasmPackage;
  const folder = dirname(require.resolve('@bokuweb/zstd-wasm'));
  const { Module: module } = require(join(folder, 'zstd.js')) as { Module: ZstdWasmModule };
  if (module.calledRun !== true) {
    const compiled = new WebAssembly.Module(readFileSync(join(folder, 'zstd.wasm')));
    module.instantiateWasm = (imports, receive) => receive(new WebAssembly.Instance(compiled, imports));
    module.init();
  }
  return {
    name: 'wasm',
    compress: (bytes) => wasm.compress(bytes),
    decompressFrame: (frame, capacity) => wasm.decompress(frame, { defaultHeapSize: capacity }),
  };
}
