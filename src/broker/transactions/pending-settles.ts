/**
 * What prepared transactions will settle in one queue once they are decided; part of the log's companion. Bytes: docs/formats/companion.md. What a
 * commit does is in the cursor's own changes, which are journaled before the one that ends the pending ones.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import type { SettleOutcome } from '../ports.js';
import { keyText, type TransactionKey } from './keys.js';
import { MAX_OFFSETS_PER_CHANGE, MAX_PENDING_TRANSACTIONS } from './limits.js';

const VERSION = 1;
const PREPARED = 1;
const ENDED = 2;

interface PendingPart {
  readonly outcome: SettleOutcome;
  readonly offsets: readonly number[];
}

interface PendingTransaction {
  readonly key: TransactionKey;
  readonly parts: PendingPart[];
}

/** See the top of this file. */
export class PendingSettles {
  private readonly pending = new Map<string, PendingTransaction>();
  private changes: Uint8Array[] = [];
  private taken = 0;

  /** Transactions that wait for their decision. */
  get size(): number {
    return this.pending.size;
  }

  /** The transaction will settle these. */
  prepare(key: TransactionKey, outcome: SettleOutcome, offsets: readonly number[]): void {
    for (let from = 0; from < offsets.length; from += MAX_OFFSETS_PER_CHANGE) {
      const part = { outcome, offsets: offsets.slice(from, from + MAX_OFFSETS_PER_CHANGE) };
      this.add(key, part);
      const writer = begin(PREPARED, key);
      writePart(writer, part);
      this.changes.push(writer.copy());
    }
  }

  /** The transaction is decided, and what that means for the cursor is among its changes. */
  ended(key: TransactionKey): void {
    if (this.pending.delete(keyText(key))) this.changes.push(begin(ENDED, key).copy());
  }

  /** The next change for the journal, or undefined. The bytes are the caller's. */
  takeChange(): Uint8Array | undefined {
    const change = this.changes[this.taken];
    if (change !== undefined) this.taken++;
    else if (this.taken > 0) {
      this.changes = [];
      this.taken = 0;
    }
    return change;
  }

  /** Replays one journaled change. @throws DecodeError */
  apply(change: Uint8Array): void {
    const reader = new ByteReader(change);
    checkVersion(reader.u8());
    const kind = reader.u8();
    const key = readKey(reader);
    if (kind === ENDED) this.pending.delete(keyText(key));
    else if (kind === PREPARED) this.add(key, readPart(reader));
    else throw new DecodeError('invalid', `A change of pending settles is of an unknown kind: ${kind}`);
  }

  /** The whole state, for a checkpoint. */
  snapshot(): Uint8Array {
    const writer = new ByteWriter();
    writer.u8(VERSION);
    writer.uvarint(this.pending.size);
    for (const { key, parts } of this.pending.values()) {
      writer.i64(key.producerId);
      writer.u16(key.epoch);
      writer.uvarint(parts.length);
      for (const part of parts) writePart(writer, part);
    }
    return writer.copy();
  }

  /** Replaces the state by a snapshot's; undefined = by nothing. @throws DecodeError */
  restore(snapshot: Uint8Array | undefined): void {
    this.pending.clear();
    this.changes = [];
    this.taken = 0;
    if (snapshot === undefined) return;
    const reader = new ByteReader(snapshot);
    checkVersion(reader.u8());
    const transactions = bounded(reader.uvarint());
    for (let transaction = 0; transaction < transactions; transaction++) {
      const key = readKey(reader);
      const parts = bounded(reader.uvarint());
      for (let part = 0; part < parts; part++) this.add(key, readPart(reader));
    }
  }

  /** Ends a recovery: tells `settle` what the committed ones settle, and forgets all. */
  resolve(
    isCommitted: (producerId: number, epoch: number) => boolean,
    settle: (offset: number, outcome: SettleOutcome) => void,
  ): void {
    for (const { key, parts } of this.pending.values()) {
      if (!isCommitted(key.producerId, key.epoch)) continue;
      for (const { outcome, offsets } of parts) for (const offset of offsets) settle(offset, outcome);
    }
    for (const { key } of [...this.pending.values()]) this.ended(key);
  }

  private add(key: TransactionKey, part: PendingPart): void {
    const text = keyText(key);
    const known = this.pending.get(text);
    if (known === undefined) this.pending.set(text, { key, parts: [part] });
    else known.parts.push(part);
  }
}

function begin(kind: number, key: TransactionKey): ByteWriter {
  const writer = new ByteWriter(64);
  writer.u8(VERSION);
  writer.u8(kind);
  writer.i64(key.producerId);
  writer.u16(key.epoch);
  return writer;
}

function readKey(reader: ByteReader): TransactionKey {
  return { producerId: reader.i64(), epoch: reader.u16() };
}

function writePart(writer: ByteWriter, { outcome, offsets }: PendingPart): void {
  writer.u8(outcome);
  writer.uvarint(offsets.length);
  let previous = 0;
  for (const offset of offsets) {
    writer.varlong(offset - previous);
    previous = offset;
  }
}

function readPart(reader: ByteReader): PendingPart {
  const outcome = reader.u8();
  if (outcome > 2) throw new DecodeError('invalid', `A pending settle has an unknown outcome: ${outcome}`);
  const count = reader.uvarint();
  if (count > MAX_OFFSETS_PER_CHANGE) throw new DecodeError('invalid', `A pending settle has ${count} offsets`);
  const offsets: number[] = [];
  let offset = 0;
  for (let index = 0; index < count; index++) {
    offset += reader.varlong();
    offsets.push(offset);
  }
  // It is one of the three by the check above.
  return { outcome: outcome as SettleOutcome, offsets };
}

function bounded(count: number): number {
  if (count > MAX_PENDING_TRANSACTIONS) throw new DecodeError('invalid', `A snapshot lists ${count} pending settles`);
  return count;
}

function checkVersion(version: number): void {
  if (version === VERSION) return;
  throw new DecodeError('invalid', `Cannot read pending settles of version ${version}: version ${VERSION} is known`);
}
