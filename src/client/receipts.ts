import type { ClientError } from './errors.js';
import type { DurabilityName } from './outgoing.js';

/** What became of a published message. */
export interface Receipt {
  readonly to: string;
  readonly partition: number;
  readonly offset: number;
  /** The level that was reached: never below the one asked for. */
  readonly durability: DurabilityName;
  /** Whether the node had it already from a sending whose confirm got lost; the offset is that of the first time. */
  readonly duplicate: boolean;
}

/** Makes the receipt of the message at `offset`. */
export type ReceiptMaker = (offset: number) => Receipt;

/** Somebody who waits for messages' outcomes. */
export interface Completion {
  /** Messages `at` to `at + count - 1` of this completion's own are stored at `offset` and following. */
  stored(at: number, count: number, offset: number, receipt: ReceiptMaker): void;
  /** So many messages failed. */
  failed(count: number, error: ClientError): void;
}

/** Waits for one message. */
export class SingleCompletion implements Completion {
  private readonly resolve: (receipt: Receipt) => void;
  private readonly reject: (error: ClientError) => void;

  constructor(resolve: (receipt: Receipt) => void, reject: (error: ClientError) => void) {
    this.resolve = resolve;
    this.reject = reject;
  }

  stored(_at: number, _count: number, offset: number, receipt: ReceiptMaker): void {
    this.resolve(receipt(offset));
  }

  failed(_count: number, error: ClientError): void {
    this.reject(error);
  }
}

/** Waits for many messages: resolves with all receipts in the messages' order, or rejects with the first error once all are settled. */
export class ManyCompletion implements Completion {
  private readonly receipts: Receipt[];
  private readonly resolve: (receipts: Receipt[]) => void;
  private readonly reject: (error: ClientError) => void;
  private left: number;
  private error: ClientError | undefined;

  constructor(count: number, resolve: (receipts: Receipt[]) => void, reject: (error: ClientError) => void) {
    this.receipts = new Array(count);
    this.left = count;
    this.resolve = resolve;
    this.reject = reject;
  }

  stored(at: number, count: number, offset: number, receipt: ReceiptMaker): void {
    for (let index = 0; index < count; index++) this.receipts[at + index] = receipt(offset + index);
    this.finish(count);
  }

  failed(count: number, error: ClientError): void {
    this.error ??= error;
    this.finish(count);
  }

  private finish(count: number): void {
    this.left -= count;
    if (this.left > 0) return;
    if (this.error === undefined) this.resolve(this.receipts);
    else this.reject(this.error);
  }
}

/** Whose messages lie where in a batch: three columns, one row per run of messages of one completion. */
export class CompletionRuns {
  private readonly completions: (Completion | undefined)[] = [];
  private readonly places: number[] = [];
  private readonly counts: number[] = [];

  /** Notes that the batch's next message is message `at` of `completion`; undefined = nobody waits for it by itself. */
  add(completion: Completion | undefined, at: number): void {
    const last = this.completions.length - 1;
    const isRun =
      last >= 0 &&
      this.completions[last] === completion &&
      (completion === undefined || this.places[last]! + this.counts[last]! === at);
    if (isRun) {
      this.counts[last]!++;
      return;
    }
    this.completions.push(completion);
    this.places.push(at);
    this.counts.push(1);
  }

  /** The batch is stored from `baseOffset` on. */
  stored(baseOffset: number, receipt: ReceiptMaker): void {
    let offset = baseOffset;
    for (let row = 0; row < this.completions.length; row++) {
      this.completions[row]?.stored(this.places[row]!, this.counts[row]!, offset, receipt);
      offset += this.counts[row]!;
    }
  }

  /** The batch failed. Returns how many of its messages nobody waits for by itself. */
  failed(error: ClientError): number {
    let unheard = 0;
    for (let row = 0; row < this.completions.length; row++) {
      const completion = this.completions[row];
      if (completion === undefined) unheard += this.counts[row]!;
      else completion.failed(this.counts[row]!, error);
    }
    return unheard;
  }
}
