import { promised } from './violation.js';

/** A record as it was read. */
export interface SeenRecord {
  readonly offset: number;
  readonly value: string;
}

/** How sure something is to outlive a sudden end: `memory` outlives the process, `disk` the power. */
export type Safety = 'memory' | 'disk';

/**
 * What was promised about one log's messages: a memory as dumb as can be. Values are unique: `PUBLISHER:NUMBER:...`, and a publisher's numbers rise.
 */
export class LogPromises {
  readonly logId: number;
  readonly label: string;
  /** What anyone has seen at an offset, for ever. */
  private readonly seen = new Map<number, string>();
  private readonly confirmed = new Map<number, { readonly value: string; safety: Safety }>();

  constructor(logId: number, label: string) {
    this.logId = logId;
    this.label = label;
  }

  /** Messages that must be there after the next sudden end of this kind. */
  confirmedCount(safety: Safety): number {
    let count = 0;
    for (const message of this.confirmed.values()) if (safety === 'memory' || message.safety === 'disk') count++;
    return count;
  }

  /** Somebody saw `value` at `offset`. */
  see(offset: number, value: string): void {
    const before = this.seen.get(offset);
    promised(
      before === undefined || before === value,
      'offset-reused',
      () => `offset ${offset} of ${this.label} was ${short(before)} and is ${short(value)}`,
    );
    this.seen.set(offset, value);
  }

  /** The value that was seen at an offset. */
  at(offset: number): string | undefined {
    return this.seen.get(offset);
  }

  /** A publisher was told that `value` is stored at `offset`. */
  confirm(offset: number, value: string, safety: Safety): void {
    this.see(offset, value);
    const known = this.confirmed.get(offset);
    if (known === undefined) this.confirmed.set(offset, { value, safety });
    else if (safety === 'disk') known.safety = 'disk';
  }

  /** A queue's messages that are settled may be removed from the log. */
  forgive(offset: number): void {
    this.confirmed.delete(offset);
  }

  /** An orderly stop: all that was stored is on disk. */
  keepAll(): void {
    for (const message of this.confirmed.values()) message.safety = 'disk';
  }

  /** Compares what a start has recovered with what was promised, and goes on from there. */
  check(records: readonly SeenRecord[], powerLost: boolean, mayBeGone: (value: string) => boolean): void {
    this.checkOrder(records);
    const there = new Map(records.map(({ offset, value }) => [offset, value]));
    for (const [offset, { value, safety }] of [...this.confirmed]) {
      if (there.get(offset) === value) continue;
      const isPromised = !(powerLost && safety === 'memory') && !mayBeGone(value);
      promised(
        !isPromised,
        'confirmed-lost',
        () =>
          `${short(value)}, confirmed (${safety}) at offset ${offset} of ${this.label}, is ${short(there.get(offset))}`,
      );
      this.confirmed.delete(offset);
    }
    for (const { offset, value } of records) this.see(offset, value);
  }

  /** Lets offsets from here on name other messages than they did. */
  forgetFrom(end: number): void {
    for (const offset of [...this.seen.keys()]) if (offset >= end) this.seen.delete(offset);
  }

  private checkOrder(records: readonly SeenRecord[]): void {
    const last = new Map<string, number>();
    let before = -1;
    for (const { offset, value } of records) {
      promised(offset > before, 'out-of-order', () => `offset ${offset} of ${this.label} comes behind ${before}`);
      before = offset;
      const [publisher = '', number = ''] = value.split(':');
      const latest = last.get(publisher) ?? -1;
      const kind = Number(number) === latest ? 'duplicated' : 'out-of-order';
      promised(
        Number(number) > latest,
        kind,
        () => `${short(value)} at offset ${offset} of ${this.label} comes behind number ${latest} of its publisher`,
      );
      last.set(publisher, Number(number));
    }
  }
}

/** A value without its padding. */
export function short(value: string | undefined): string {
  return value === undefined ? 'nothing' : `"${value.slice(0, value.lastIndexOf(':'))}"`;
}
