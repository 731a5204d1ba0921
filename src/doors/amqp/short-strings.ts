import { readUtf8 } from '../../base/utf8.js';
import { SHORT_STRING_SLOTS } from './limits.js';

const EMPTY = new Uint8Array(0);

/**
 * Exchange names, routing keys and consumer tags that were decoded lately: clients repeat them with every message, and comparing bytes costs a
 * fraction of making a string. One slot per hash; the newest string wins. Memory: at most a short string and its bytes per slot.
 */
export class ShortStrings {
  private readonly keys: Uint8Array[] = new Array<Uint8Array>(SHORT_STRING_SLOTS).fill(EMPTY);
  private readonly texts: string[] = new Array<string>(SHORT_STRING_SLOTS).fill('');

  /** The text of the bytes from `at` to `end`; malformed UTF-8 becomes U+FFFD. The caller has checked the bounds. */
  read(bytes: Uint8Array, at: number, end: number): string {
    const length = end - at;
    if (length === 0) return '';
    let hash = length;
    for (let index = at; index < end; index++) hash = Math.imul(hash ^ bytes[index]!, 0x0100_0193);
    const slot = (hash ^ (hash >>> 15)) & (SHORT_STRING_SLOTS - 1);
    const key = this.keys[slot]!;
    if (key.length === length) {
      let same = 0;
      while (same < length && key[same] === bytes[at + same]) same++;
      if (same === length) return this.texts[slot]!;
    }
    return this.replace(slot, bytes, at, end);
  }

  private replace(slot: number, bytes: Uint8Array, at: number, end: number): string {
    const key = new Uint8Array(end - at);
    for (let index = 0; index < key.length; index++) key[index] = bytes[at + index]!;
    const text = readUtf8(bytes, at, end);
    this.keys[slot] = key;
    this.texts[slot] = text;
    return text;
  }
}
