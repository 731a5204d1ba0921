/**
 * The bytes of a cursor's changes; drawn in docs/formats/companion.md. Every change is complete in itself and carries a sequence number, so
 * that replaying onto a snapshot that already contains it does nothing.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { CHANGE_RANGES_MAX, PENDING_RANGES_MAX } from './limits.js';
import { OffsetRanges } from './offset-ranges.js';

const VERSION = 1;
const HAS_START = 1;
const HAS_TRUNCATION = 2;
const HAS_RETURNED = 4;
const HAS_SETTLED = 8;
const HAS_LEASE = 16;
const ALL_FLAGS = 31;

/** A change that was taken, and the lease in it, or -1. */
export interface TakenChange {
  readonly bytes: Uint8Array;
  readonly lease: number;
}

/** What a change does to the cursor that replays it, in the order of the bytes. */
export interface ChangeTarget {
  start(offset: number): void;
  /** Everything at or beyond `offset` is void; below it `messages` messages are not settled. */
  truncate(offset: number, messages: number): void;
  returned(start: number, end: number): void;
  /** Told before the ranges: how many of their offsets were messages; the others never existed. Negative when a count was corrected. */
  settledMessages(count: number): void;
  settled(start: number, end: number): void;
  lease(upTo: number): void;
}

/** What is written is copied before anybody else writes, so that thousands of queues need no buffer each. */
const sharedWriter = new ByteWriter(256);

/** Gathers what happened since the last change was taken. */
export class PendingChanges {
  /** The number that the next change gets. */
  nextSequence = 0;
  private readonly settledRanges = new OffsetRanges();
  private readonly returnedRanges = new OffsetRanges();
  private messages = 0;
  private leaseTo = -1;
  private startAt = -1;
  private truncateAt = -1;
  private truncateMessages = 0;
  private sealed: TakenChange[] = [];
  private sealedTaken = 0;
  private readonly writer = sharedWriter;

  private get unsealed(): boolean {
    return (
      this.settledRanges.length > 0 ||
      this.returnedRanges.length > 0 ||
      this.startAt >= 0 ||
      this.truncateAt >= 0 ||
      this.messages !== 0
    );
  }

  /** One message was settled. */
  settledOne(offset: number): void {
    this.settledRanges.addOne(offset);
    this.messages++;
    if (this.settledRanges.length >= PENDING_RANGES_MAX) this.seal();
  }

  /** A range, which may be empty, was settled in which `messages` offsets were messages; corrections of the count may be negative. */
  settled(start: number, end: number, messages: number): void {
    this.messages += messages;
    if (start < end) this.settledRanges.add(start, end);
    if (this.settledRanges.length >= PENDING_RANGES_MAX) this.seal();
  }

  /** A message came back. */
  returned(offset: number): void {
    this.returnedRanges.addOne(offset);
    if (this.returnedRanges.length >= PENDING_RANGES_MAX) this.seal();
  }

  /** Messages below `upTo` may have been delivered. */
  lease(upTo: number): void {
    this.leaseTo = upTo;
  }

  /** The cursor begins at `offset`. */
  start(offset: number): void {
    this.seal();
    this.startAt = offset;
  }

  /** Everything at or beyond `offset` is void; below it `messages` messages are not settled. */
  truncate(offset: number, messages: number): void {
    this.seal();
    this.truncateAt = offset;
    this.truncateMessages = messages;
  }

  /** The next change in order, or undefined. A lease is in the last one. The bytes are the caller's. */
  take(): TakenChange | undefined {
    if (this.sealedTaken === this.sealed.length) {
      this.sealed = [];
      this.sealedTaken = 0;
      if (this.unsealed || this.leaseTo >= 0) this.encodeAll(true);
    }
    const change = this.sealed[this.sealedTaken];
    if (change !== undefined) this.sealedTaken++;
    return change;
  }

  /** Closes what was gathered into changes with numbers of their own; only a lease stays open. */
  seal(): void {
    if (this.unsealed) this.encodeAll(false);
  }

  /** Forgets what was gathered. */
  reset(nextSequence: number): void {
    this.settledRanges.clear();
    this.returnedRanges.clear();
    this.messages = 0;
    this.leaseTo = -1;
    this.startAt = -1;
    this.truncateAt = -1;
    this.sealed = [];
    this.sealedTaken = 0;
    this.nextSequence = nextSequence;
  }

  /** Turns what was gathered into changes of bounded size, the last one with the lease if that is wanted. */
  private encodeAll(withLease: boolean): void {
    const { returnedRanges, settledRanges } = this;
    returnedRanges.sort();
    settledRanges.sort();
    let returned = 0;
    let settled = 0;
    do {
      const returnedEnd = Math.min(returnedRanges.length, returned + CHANGE_RANGES_MAX);
      // Returns come first: a message may come back and be settled in the same turn, never the other way round.
      const room = returnedEnd === returnedRanges.length ? CHANGE_RANGES_MAX : 0;
      const settledEnd = Math.min(settledRanges.length, settled + room);
      const last = room > 0 && settledEnd === settledRanges.length;
      this.encode(returned, returnedEnd, settled, settledEnd, last, withLease && last);
      returned = returnedEnd;
      settled = settledEnd;
    } while (returned < returnedRanges.length || settled < settledRanges.length);
    returnedRanges.clear();
    settledRanges.clear();
  }

  private encode(
    returned: number,
    returnedEnd: number,
    settled: number,
    settledEnd: number,
    last: boolean,
    withLease: boolean,
  ): void {
    const { writer } = this;
    const lease = withLease ? this.leaseTo : -1;
    const hasSettled = settledEnd > settled || (last && this.messages !== 0);
    writer.reset().u8(VERSION);
    writer.uvarint(this.nextSequence++);
    writer.u8(
      (this.startAt >= 0 ? HAS_START : 0) |
        (this.truncateAt >= 0 ? HAS_TRUNCATION : 0) |
        (returnedEnd > returned ? HAS_RETURNED : 0) |
        (hasSettled ? HAS_SETTLED : 0) |
        (lease >= 0 ? HAS_LEASE : 0),
    );
    if (this.startAt >= 0) writer.uvarint(this.startAt);
    if (this.truncateAt >= 0) {
      writer.uvarint(this.truncateAt);
      writer.uvarint(this.truncateMessages);
    }
    if (returnedEnd > returned) writeRanges(writer, this.returnedRanges, returned, returnedEnd);
    if (hasSettled) this.writeSettled(settled, settledEnd, last);
    if (lease >= 0) {
      writer.uvarint(lease);
      this.leaseTo = -1;
    }
    this.startAt = -1;
    this.truncateAt = -1;
    this.sealed.push({ bytes: writer.copy(), lease });
  }

  /** The messages of a turn are known as one number: each change takes as many as its ranges can hold, the last one the rest. */
  private writeSettled(settled: number, settledEnd: number, last: boolean): void {
    const { writer, settledRanges } = this;
    const messages = last ? this.messages : Math.min(this.messages, covering(settledRanges, settled, settledEnd));
    this.messages -= messages;
    writer.varlong(messages);
    writeRanges(writer, settledRanges, settled, settledEnd);
  }
}

function covering(ranges: OffsetRanges, from: number, to: number): number {
  let total = 0;
  for (let index = from; index < to; index++) total += ranges.ends[index]! - ranges.starts[index]!;
  return total;
}

function writeRanges(writer: ByteWriter, ranges: OffsetRanges, from: number, to: number): void {
  writer.uvarint(to - from);
  let previous = 0;
  for (let index = from; index < to; index++) {
    const start = ranges.starts[index]!;
    writer.uvarint(start - previous);
    writer.uvarint(ranges.ends[index]! - start);
    previous = start;
  }
}

/**
 * Replays one change, unless its sequence number is below `fromSequence`. Returns the sequence number that comes next.
 * @throws DecodeError when the bytes are no change of a known version.
 */
export function replayChange(change: Uint8Array, fromSequence: number, target: ChangeTarget): number {
  const reader = new ByteReader(change);
  const version = reader.u8();
  if (version !== VERSION) {
    throw new DecodeError('invalid', `Cannot read a cursor change of version ${version}: version ${VERSION} is known`);
  }
  const sequence = reader.uvarlong();
  if (sequence < fromSequence) return fromSequence;
  const flags = reader.u8();
  if ((flags & ~ALL_FLAGS) !== 0)
    throw new DecodeError('invalid', `Cannot read a cursor change with the flags ${flags}`);
  if ((flags & HAS_START) !== 0) target.start(reader.uvarlong());
  if ((flags & HAS_TRUNCATION) !== 0) target.truncate(reader.uvarlong(), reader.uvarlong());
  if ((flags & HAS_RETURNED) !== 0) readRanges(reader, (start, end) => target.returned(start, end));
  if ((flags & HAS_SETTLED) !== 0) {
    target.settledMessages(reader.varlong());
    readRanges(reader, (start, end) => target.settled(start, end));
  }
  if ((flags & HAS_LEASE) !== 0) target.lease(reader.uvarlong());
  if (reader.remaining > 0) throw new DecodeError('invalid', `A cursor change has ${reader.remaining} bytes too many`);
  return sequence + 1;
}

function readRanges(reader: ByteReader, visit: (start: number, end: number) => void): void {
  const count = reader.uvarint();
  let start = 0;
  for (let index = 0; index < count; index++) {
    start += reader.uvarlong();
    const end = start + reader.uvarlong();
    if (!Number.isSafeInteger(end))
      throw new DecodeError('overflow', `A range of offsets ends beyond 2^53: about ${end}`);
    visit(start, end);
  }
}
