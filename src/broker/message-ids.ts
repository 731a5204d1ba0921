/**
 * The message ids that a queue without duplicates has seen lately: hashes of 53 bits with their time, journaled beside the log, so that a restart
 * does not let a duplicate in. Two ids of one hash are taken for the same: at a million remembered ids the odds are one in nine thousand million
 * for each message.
 */
import { ByteReader, ByteWriter } from '../base/bytes.js';
import { crc32c } from '../base/crc32c.js';
import { DecodeError } from '../base/errors.js';
import { encodeUtf8 } from '../base/utf8.js';
import { MAX_REMEMBERED_IDS } from './limits.js';

const VERSION = 1;
const ENTRY_BYTES = 14;

/** See the top of this file. */
export class MessageIds {
  /** Time in ms by hash, oldest first. */
  private readonly seen = new Map<number, number>();
  private fresh: number[] = [];

  get size(): number {
    return this.seen.size;
  }

  /** Notes an id, and tells whether it was seen less than `windowMs` before `nowMs`: then its time stays. */
  isDuplicate(id: string, nowMs: number, windowMs: number): boolean {
    this.forget(nowMs - windowMs);
    const hash = hashOf(id);
    if (this.seen.has(hash)) return true;
    this.note(hash, nowMs);
    this.fresh.push(hash, nowMs);
    return false;
  }

  /** Forgets an id whose message was not stored after all. */
  withdraw(id: string): void {
    const hash = hashOf(id);
    this.seen.delete(hash);
    for (let at = 0; at < this.fresh.length; at += 2) {
      if (this.fresh[at] !== hash) continue;
      this.fresh.splice(at, 2);
      return;
    }
  }

  /** The next change for the journal, or undefined. */
  takeChange(): Uint8Array | undefined {
    if (this.fresh.length === 0) return undefined;
    const { fresh } = this;
    this.fresh = [];
    return encode(fresh);
  }

  snapshot(): Uint8Array {
    const pairs: number[] = [];
    for (const [hash, timeMs] of this.seen) pairs.push(hash, timeMs);
    return encode(pairs);
  }

  /** Replaces the state by a snapshot's; undefined = by nothing. @throws DecodeError */
  restore(snapshot: Uint8Array | undefined): void {
    this.seen.clear();
    this.fresh = [];
    if (snapshot !== undefined) this.apply(snapshot);
  }

  /** Replays a change; one that is known already does nothing. @throws DecodeError */
  apply(change: Uint8Array): void {
    const reader = new ByteReader(change);
    const version = reader.u8();
    if (version !== VERSION || reader.remaining % ENTRY_BYTES !== 0) {
      throw new DecodeError('invalid', `Cannot read ${change.length} bytes of message ids in version ${version}`);
    }
    while (reader.remaining > 0) {
      const hash = reader.u32() * 2 ** 21 + reader.u32();
      this.note(hash, reader.u32() * 2 ** 16 + reader.u16());
    }
  }

  private note(hash: number, timeMs: number): void {
    if (this.seen.has(hash)) return;
    this.seen.set(hash, timeMs);
    if (this.seen.size > MAX_REMEMBERED_IDS) this.dropOldest();
  }

  private dropOldest(): void {
    for (const hash of this.seen.keys()) {
      this.seen.delete(hash);
      return;
    }
  }

  private forget(beforeMs: number): void {
    for (const [hash, timeMs] of this.seen) {
      if (timeMs > beforeMs) return;
      this.seen.delete(hash);
    }
  }
}

function encode(pairs: readonly number[]): Uint8Array {
  const writer = new ByteWriter(1 + (pairs.length / 2) * ENTRY_BYTES);
  writer.u8(VERSION);
  for (let at = 0; at < pairs.length; at += 2) {
    const hash = pairs[at]!;
    const timeMs = pairs[at + 1]!;
    writer.u32(Math.floor(hash / 2 ** 21));
    writer.u32(hash % 2 ** 21);
    writer.u32(Math.floor(timeMs / 2 ** 16));
    writer.u16(timeMs % 2 ** 16);
  }
  return writer.copy();
}

/** 53 bits: the CRC of the id, and 21 bits of an FNV over it. */
function hashOf(id: string): number {
  const bytes = encodeUtf8(id);
  let other = 0x811c9dc5;
  for (let index = 0; index < bytes.length; index++) other = Math.imul(other ^ bytes[index]!, 0x01000193);
  return (crc32c(bytes) >>> 0) * 2 ** 21 + (other >>> 11);
}
