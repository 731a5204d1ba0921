import { StorageError } from './errors.js';
import { PRODUCER_BATCHES } from './limits.js';

const SEQUENCE_MASK = 0x7fff_ffff;

/** One batch that a resend is recognised by. */
export interface ProducerBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
}

/** What a log remembers of one producer. */
export interface ProducerEntry {
  readonly producerId: number;
  epoch: number;
  lastArrivalMs: number;
  /** The last batches of this epoch, oldest first, at most PRODUCER_BATCHES. Replaced rather than changed, so that a copy is cheap. */
  batches: readonly ProducerBatch[];
}

/** Never written to. */
const NO_ENTRIES = new Map<number, ProducerEntry>();
const NOTHING_BEFORE = new Map<number, ProducerEntry | undefined>();

/**
 * Recognises resent batches and gaps by producer id, epoch and sequence, with the rules of Kafka 4's ProducerAppendInfo:
 * - a batch equal in epoch and sequences to one of the last five is a duplicate;
 * - a lower epoch than the known one is fenced; a higher one starts at sequence 0;
 * - within an epoch the sequence goes on without gaps, from 2^31-1 to 0;
 * - a producer that is not known (never seen, expired, or its records were removed) may start with any sequence.
 *
 * Changes since the last `commitTurn` can be taken back, for a write that failed.
 */
export class ProducerState {
  /** Made with the first producer, as the other: there may be many thousands of logs without one. */
  private entries = NO_ENTRIES;
  /** Entries as they were before the turn; undefined for those that were not there. */
  private before = NOTHING_BEFORE;

  /** Number of producers known. */
  get size(): number {
    return this.entries.size;
  }

  /** All that is known, for a checkpoint. */
  values(): IterableIterator<ProducerEntry> {
    return this.entries.values();
  }

  /** Takes over an entry from a checkpoint. */
  restore(entry: ProducerEntry): void {
    if (this.entries === NO_ENTRIES) this.entries = new Map();
    this.entries.set(entry.producerId, entry);
  }

  /**
   * Whether a batch may be appended. Returns -1 if so, or else it is a duplicate, of which this is the first offset.
   * @throws StorageError `producer-fenced`, `out-of-order-sequence`
   */
  check(producerId: number, epoch: number, firstSequence: number, lastSequence: number): number {
    const entry = this.entries.get(producerId);
    if (entry === undefined) return -1;
    if (epoch < entry.epoch) throw fenced(producerId, epoch, entry.epoch);
    if (epoch > entry.epoch) {
      if (firstSequence !== 0) throw outOfOrder(producerId, firstSequence, 0);
      return -1;
    }
    return checkSameEpoch(entry, firstSequence, lastSequence);
  }

  /** Notes an appended batch. Control batches pass a first sequence of -1: they set the epoch only. */
  append(
    producerId: number,
    epoch: number,
    firstSequence: number,
    lastSequence: number,
    baseOffset: number,
    arrivalMs: number,
  ): void {
    if (this.entries === NO_ENTRIES) this.entries = new Map();
    if (this.before === NOTHING_BEFORE) this.before = new Map();
    const known = this.entries.get(producerId);
    if (!this.before.has(producerId)) this.before.set(producerId, known === undefined ? undefined : { ...known });
    const entry = known ?? { producerId, epoch, lastArrivalMs: arrivalMs, batches: [] };
    if (known === undefined) this.entries.set(producerId, entry);
    if (epoch !== entry.epoch) {
      entry.epoch = epoch;
      entry.batches = [];
    }
    entry.lastArrivalMs = arrivalMs;
    if (firstSequence < 0) return;
    const kept = entry.batches.length < PRODUCER_BATCHES ? entry.batches : entry.batches.slice(1);
    entry.batches = [...kept, { firstSequence, lastSequence, baseOffset }];
  }

  /** What was noted since the last call is in the file. */
  commitTurn(): void {
    if (this.before.size > 0) this.before.clear();
  }

  /** What was noted since the last `commitTurn` did not happen. */
  rollbackTurn(): void {
    for (const [producerId, entry] of this.before) {
      if (entry === undefined) this.entries.delete(producerId);
      else this.entries.set(producerId, entry);
    }
    this.before.clear();
  }

  /** Forgets producers whose last batch arrived before `beforeMs`. */
  expire(beforeMs: number): void {
    for (const entry of this.entries.values()) {
      if (entry.lastArrivalMs < beforeMs && !this.before.has(entry.producerId)) this.entries.delete(entry.producerId);
    }
  }
}

function checkSameEpoch(entry: ProducerEntry, firstSequence: number, lastSequence: number): number {
  const { batches } = entry;
  for (let index = batches.length - 1; index >= 0; index--) {
    const batch = batches[index]!;
    if (batch.firstSequence === firstSequence && batch.lastSequence === lastSequence) return batch.baseOffset;
  }
  const last = batches[batches.length - 1];
  // After a marker that raised the epoch there is no batch yet: then the sequence starts over.
  const expected = last === undefined ? 0 : (last.lastSequence + 1) & SEQUENCE_MASK;
  if (firstSequence !== expected) throw outOfOrder(entry.producerId, firstSequence, expected);
  return -1;
}

function fenced(producerId: number, epoch: number, current: number): StorageError {
  return new StorageError(
    'producer-fenced',
    `Cannot append for producer ${producerId} with epoch ${epoch}: epoch ${current} has written already`,
  );
}

function outOfOrder(producerId: number, sequence: number, expected: number): StorageError {
  return new StorageError(
    'out-of-order-sequence',
    `Cannot append for producer ${producerId} at sequence ${sequence}: its next one is ${expected}`,
  );
}
