/**
 * The small state beside one log: the queue's cursor, where there is one, and the named offsets. Both share one stream of changes and one
 * snapshot, which storage keeps; drawn in docs/formats/companion.md.
 */
import { ByteReader, ByteWriter } from '../base/bytes.js';
import { DecodeError } from '../base/errors.js';
import type { Companion, RecoveredBounds } from '../storage/ports.js';
import { type PriorityLease, PriorityLeases } from './cursor/priority-leases.js';
import { type CursorBounds, QueueCursor } from './cursor/queue-cursor.js';
import { MessageIds } from './message-ids.js';
import { type NamedOffset, NamedOffsets } from './offsets.js';
import { SettleOutcome } from './ports.js';
import { PendingSettles } from './transactions/pending-settles.js';

/** The first byte of a change, and the sections of a snapshot. */
const CURSOR = 1;
const OFFSETS = 2;
const PRIORITIES = 3;
const IDS = 4;
const TRANSACTIONS = 5;
const SNAPSHOT_VERSION = 1;

/** What storage knows of transactions once it is recovered; absent where there can be none. */
type TransactionBounds = Partial<Pick<RecoveredBounds, 'isCommitted' | 'aborted'>>;

/** What a change lets a queue deliver, once it is durable. */
export type Lease = number | PriorityLease;

/** See the top of this file. */
export class PartitionCompanion implements Companion {
  readonly offsets = new NamedOffsets();
  private queueCursor: QueueCursor | undefined;
  /** That of a queue whose declaration was taken back. A next one goes on with its numbers, or replay would take changes of it for older ones. */
  private detachedCursor: QueueCursor | undefined;
  private priorityLeases: PriorityLeases | undefined;
  private rememberedIds: MessageIds | undefined;
  private pendingTransactions: PendingSettles | undefined;
  private journalingLease: Lease | undefined;
  /** Rejected messages go to a dead-letter exchange: one whose way there was cut short by a crash must be delivered again. */
  keepsRejected = false;

  /** `withCursor`: the log belongs to a queue. */
  constructor(withCursor: boolean) {
    if (withCursor) this.queueCursor = new QueueCursor();
  }

  /** The queue's cursor; undefined for a plain topic. */
  get cursor(): QueueCursor | undefined {
    return this.queueCursor;
  }

  /** Makes a plain topic's log a queue's. The caller then says where the cursor starts. Returns the cursor, also when there was one. */
  attachCursor(): QueueCursor {
    this.queueCursor ??= this.detachedCursor ?? new QueueCursor();
    this.detachedCursor = undefined;
    return this.queueCursor;
  }

  /** Takes `attachCursor` back; nobody may have deliveries. */
  detachCursor(): void {
    this.detachedCursor = this.queueCursor ?? this.detachedCursor;
    this.queueCursor = undefined;
  }

  /** The leases of a queue with priorities; made with the first call. */
  get priorities(): PriorityLeases {
    this.priorityLeases ??= new PriorityLeases();
    return this.priorityLeases;
  }

  /** The message ids of a queue without duplicates; made with the first call. */
  get messageIds(): MessageIds {
    this.rememberedIds ??= new MessageIds();
    return this.rememberedIds;
  }

  /** What prepared transactions will settle; made with the first call. */
  get pendingSettles(): PendingSettles {
    this.pendingTransactions ??= new PendingSettles();
    return this.pendingTransactions;
  }

  /** The same, where there were any. */
  get transactions(): PendingSettles | undefined {
    return this.pendingTransactions;
  }

  get hasPendingTransactions(): boolean {
    return (this.pendingTransactions?.size ?? 0) > 0;
  }

  /**
   * The next change for the journal, or undefined when nothing is left; to be called until then, once per turn. `pendingLease` belongs to the
   * change returned last. The bytes are the caller's.
   */
  takeChanges(): Uint8Array | undefined {
    const offsets = this.offsets.takeChange();
    if (offsets !== undefined) {
      this.journalingLease = undefined;
      return tagged(OFFSETS, offsets);
    }
    const ids = this.rememberedIds?.takeChange();
    if (ids !== undefined) {
      this.journalingLease = undefined;
      return tagged(IDS, ids);
    }
    const priorities = this.priorityLeases?.takeChange();
    if (priorities !== undefined) {
      this.journalingLease = priorities.lease;
      return tagged(PRIORITIES, priorities.bytes);
    }
    const change = this.queueCursor?.takeChange();
    if (change === undefined) return this.takeTransaction();
    this.journalingLease = change.lease < 0 ? undefined : change.lease;
    return tagged(CURSOR, change.bytes);
  }

  /** Behind the cursor's changes: that a transaction has ended must not be known without what it did. */
  private takeTransaction(): Uint8Array | undefined {
    this.journalingLease = undefined;
    const change = this.pendingTransactions?.takeChange();
    return change === undefined ? undefined : tagged(TRANSACTIONS, change);
  }

  /** The lease in the change that `takeChanges` returned last: to be given to `leaseDurable` once that change is durable. */
  get pendingLease(): Lease | undefined {
    return this.journalingLease;
  }

  /** The journal holds the lease: delivery may go on to there. */
  leaseDurable(lease: Lease): void {
    if (typeof lease === 'number') this.queueCursor?.leaseDurable(lease);
    else this.priorityLeases?.durable(lease);
  }

  /** Stores what a group commits; an offset of -1 forgets the group. @throws BrokerError */
  commitOffset(group: string, named: NamedOffset): void {
    if (named.offset === -1) this.offsets.forget(group);
    else this.offsets.commit(group, named);
  }

  /** What a group committed, or undefined. */
  fetchOffset(group: string): NamedOffset | undefined {
    return this.offsets.fetch(group);
  }

  /** The whole state, for a checkpoint. The bytes are the caller's. */
  snapshot(): Uint8Array {
    const writer = new ByteWriter();
    writer.u8(SNAPSHOT_VERSION);
    if (this.queueCursor !== undefined) writeSection(writer, CURSOR, this.queueCursor.snapshot());
    writeSection(writer, OFFSETS, this.offsets.snapshot());
    if (this.priorityLeases !== undefined) writeSection(writer, PRIORITIES, this.priorityLeases.snapshot());
    if (this.rememberedIds !== undefined) writeSection(writer, IDS, this.rememberedIds.snapshot());
    if (this.hasPendingTransactions) writeSection(writer, TRANSACTIONS, this.pendingSettles.snapshot());
    return writer.copy();
  }

  /** Replaces the state by a snapshot's; undefined = by nothing. @throws DecodeError */
  restore(snapshot: Uint8Array | undefined): void {
    this.queueCursor?.restore(undefined);
    this.detachedCursor = undefined;
    this.offsets.restore(undefined);
    this.priorityLeases?.restore(undefined);
    this.rememberedIds?.restore(undefined);
    this.pendingTransactions?.restore(undefined);
    if (snapshot === undefined) return;
    const reader = new ByteReader(snapshot);
    const version = reader.u8();
    if (version !== SNAPSHOT_VERSION) {
      throw new DecodeError(
        'invalid',
        `Cannot read a companion snapshot of version ${version}: version ${SNAPSHOT_VERSION} is known`,
      );
    }
    while (reader.remaining > 0) {
      const section = reader.u8();
      const bytes = reader.view(reader.u32());
      if (section === OFFSETS) this.offsets.restore(bytes);
      else if (section === CURSOR) this.recordedCursor().restore(bytes);
      else if (section === PRIORITIES) this.priorities.restore(bytes);
      else if (section === IDS) this.messageIds.restore(bytes);
      else if (section === TRANSACTIONS) this.pendingSettles.restore(bytes);
      else throw new DecodeError('invalid', `A companion snapshot has an unknown section: ${section}`);
    }
  }

  /** Replays one journaled change. @throws DecodeError */
  apply(change: Uint8Array): void {
    const kind = change[0];
    const bytes = change.subarray(1);
    if (kind === CURSOR) this.recordedCursor().apply(bytes);
    else if (kind === OFFSETS) this.offsets.apply(bytes);
    else if (kind === PRIORITIES) this.priorities.restore(bytes);
    else if (kind === IDS) this.messageIds.apply(bytes);
    else if (kind === TRANSACTIONS) this.pendingSettles.apply(bytes);
    else throw new DecodeError('invalid', `A companion change is of an unknown kind: ${kind}`);
  }

  /** Ends a recovery: drops what names offsets at or beyond the log's end. */
  recovered(bounds: CursorBounds & TransactionBounds): void {
    this.queueCursor?.recovered(bounds);
    this.endTransactions(bounds);
    this.offsets.recovered(bounds.logEnd);
    this.priorityLeases?.recovered(bounds.logEnd);
  }

  private endTransactions({ isCommitted = () => false, aborted = [] }: TransactionBounds): void {
    const cursor = this.queueCursor;
    for (const { from, to, records } of aborted) cursor?.abandoned(from, to, records);
    this.pendingTransactions?.resolve(isCommitted, (offset, outcome) => {
      const isKept = outcome === SettleOutcome.requeue || (outcome === SettleOutcome.discard && this.keepsRejected);
      if (!isKept) cursor?.settleWaitingOne(offset);
    });
  }

  /** Messages below may be removed by retention; Infinity for a plain topic. */
  retainFrom(): number {
    return this.queueCursor?.retainFrom() ?? Number.POSITIVE_INFINITY;
  }

  /** Whether the queue is done with a message; false for a plain topic. */
  isAcknowledged(offset: number): boolean {
    return this.queueCursor?.isAcknowledged(offset) ?? false;
  }

  /** The cursor that changes on disk are about: a plain topic has some when it was a queue for a moment. */
  private recordedCursor(): QueueCursor {
    if (this.queueCursor !== undefined) return this.queueCursor;
    this.detachedCursor ??= new QueueCursor();
    return this.detachedCursor;
  }
}

function tagged(kind: number, change: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(change.length + 1);
  bytes[0] = kind;
  bytes.set(change, 1);
  return bytes;
}

function writeSection(writer: ByteWriter, section: number, bytes: Uint8Array): void {
  writer.u8(section);
  writer.u32(bytes.length);
  writer.raw(bytes);
}
