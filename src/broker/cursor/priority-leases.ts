/**
 * Up to which offset the messages of each priority may have been delivered: what a queue with priorities journals in place of one lease, which would
 * flag all waiting messages of low priority redelivered. Drawn in docs/formats/companion.md.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { LEASE_EXTEND_BELOW, LEASE_OFFSETS, PRIORITIES_MAX } from './limits.js';

const VERSION = 1;

/** Leases by priority as they are in one journaled change. */
export type PriorityLease = readonly number[];

/** See the top of this file. */
export class PriorityLeases {
  private requested: number[] = [];
  private safe: number[] = [];
  private redelivered: number[] = [];
  private hasChange = false;

  /** Whether a delivery at `offset` is covered; if it is not, or soon will not be, a longer lease is among the changes. */
  covers(priority: number, offset: number): boolean {
    if ((this.requested[priority] ?? 0) - offset < LEASE_EXTEND_BELOW) {
      this.fill(this.requested, priority);
      this.requested[priority] = offset + LEASE_OFFSETS;
      this.hasChange = true;
    }
    return offset < (this.safe[priority] ?? 0);
  }

  /** Whether a message of this priority may have been delivered before the start. */
  isRedelivered(priority: number, offset: number): boolean {
    return offset < (this.redelivered[priority] ?? 0);
  }

  /** Shortens each lease to what was handed out: for an orderly stop. `next` is the offset after the highest that was, by priority. */
  tighten(next: readonly number[]): void {
    for (let priority = 0; priority < this.requested.length; priority++) {
      const exact = Math.max(next[priority] ?? 0, this.redelivered[priority] ?? 0);
      if (exact >= this.requested[priority]!) continue;
      this.requested[priority] = exact;
      this.safe[priority] = Math.min(this.safe[priority] ?? 0, exact);
      this.hasChange = true;
    }
  }

  /** The next change for the journal with the lease in it, or undefined. The bytes are the caller's. */
  takeChange(): { readonly bytes: Uint8Array; readonly lease: PriorityLease } | undefined {
    if (!this.hasChange) return undefined;
    this.hasChange = false;
    return { bytes: this.snapshot(), lease: [...this.requested] };
  }

  /** The journal holds this lease. */
  durable(lease: PriorityLease): void {
    this.fill(this.safe, lease.length - 1);
    for (let priority = 0; priority < lease.length; priority++) {
      this.safe[priority] = Math.max(this.safe[priority]!, Math.min(lease[priority]!, this.requested[priority] ?? 0));
    }
  }

  snapshot(): Uint8Array {
    const writer = new ByteWriter(64);
    writer.u8(VERSION);
    writer.uvarint(this.requested.length);
    for (const offset of this.requested) writer.uvarint(offset);
    return writer.copy();
  }

  /** Replaces the state by a snapshot's or a change's; undefined = by nothing. @throws DecodeError */
  restore(bytes: Uint8Array | undefined): void {
    this.requested = [];
    this.safe = [];
    this.redelivered = [];
    this.hasChange = false;
    if (bytes === undefined) return;
    const reader = new ByteReader(bytes);
    const version = reader.u8();
    const count = reader.uvarint();
    if (version !== VERSION || count > PRIORITIES_MAX) {
      throw new DecodeError('invalid', `Cannot read leases of ${count} priorities in version ${version}`);
    }
    for (let priority = 0; priority < count; priority++) this.requested.push(reader.uvarlong());
  }

  /** Ends a recovery: a lease beyond the log's end must not flag messages that get those offsets from now on. */
  recovered(logEnd: number): void {
    if (this.requested.some((offset) => offset > logEnd)) this.hasChange = true;
    this.requested = this.requested.map((offset) => Math.min(offset, logEnd));
    this.redelivered = [...this.requested];
    this.safe = [...this.requested];
  }

  private fill(leases: number[], upTo: number): void {
    while (leases.length <= upTo) leases.push(0);
  }
}
