import { setNativeCrc32c } from '../base/crc32c.js';

/** Computes a CRC32C over all bytes, continuing from `previous`. */
type NativeCrc32c = (bytes: Uint8Array, previous?: number) => number;

/** The standard's check value: the CRC32C of "123456789" (RFC 3720, B.4 uses the same polynomial). */
const CHECK_TEXT = '123456789';
const CHECK_VALUE = 0xe3069283;

let attempt: Promise<void> | undefined;

/** In Node, lets a native library compute checksums where it is installed: a tenth of a publishing client's time otherwise. */
export function useNativeCrc(): Promise<void> {
  attempt ??= load();
  return attempt;
}

async function load(): Promise<void> {
  // A name that bundlers cannot follow keeps the package out of browser bundles.
  const name = '@node-rs/crc32';
  try {
    const module = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as { crc32c?: NativeCrc32c };
    const native = module.crc32c;
    if (native?.(new TextEncoder().encode(CHECK_TEXT)) === CHECK_VALUE) setNativeCrc32c(native);
  } catch {
    // Not installed, or not for this platform: the tables in JavaScript compute the same.
  }
}
