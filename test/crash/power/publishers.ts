import type { PublishListener } from '../../../src/broker/ports.js';
import { BatchBuilder } from '../../../src/record/batch-builder.js';

const encoder = new TextEncoder();

/** A batch of an idempotent publisher, from its first sending until it is confirmed. */
export interface SequencedBatch {
  /** Batches of the publisher before this one. */
  readonly index: number;
  readonly sequence: number;
  readonly values: readonly string[];
  state: 'sent' | 'failed';
}

/** A publisher that resends what was not confirmed, in order, with the same sequence numbers; bound to one log. */
export class IdempotentPublisher {
  readonly name: string;
  readonly logId: number;
  readonly producerId: number;
  /** Not confirmed yet, the oldest first. */
  readonly unconfirmed: SequencedBatch[] = [];
  private readonly builder = new BatchBuilder();
  private serial = 0;
  private batches = 0;

  constructor(name: string, logId: number, producerId: number) {
    this.name = name;
    this.logId = logId;
    this.producerId = producerId;
  }

  /**
   * Whether another batch may be in flight: none behind one that failed, and none more than four behind the oldest that is not confirmed, though
   * later ones may be: a log knows a resend by the publisher's last five batches.
   */
  get isReady(): boolean {
    const oldest = this.unconfirmed[0]?.index ?? this.batches;
    return this.batches - oldest < 5 && this.unconfirmed.every(({ state }) => state === 'sent');
  }

  /** The next batch, with values of these paddings. */
  next(paddings: readonly number[]): SequencedBatch {
    const sequence = this.serial;
    const values = paddings.map((padding) => messageValue(this.name, this.serial++, padding));
    const batch: SequencedBatch = { index: this.batches++, sequence, values, state: 'sent' };
    this.unconfirmed.push(batch);
    return batch;
  }

  /** What has to be sent again, in order; empty while some are still on their way. */
  resends(): readonly SequencedBatch[] {
    return this.unconfirmed.every(({ state }) => state === 'failed') ? this.unconfirmed : [];
  }

  /** The bytes of a batch; borrowed until the next call. */
  encode(batch: SequencedBatch): Uint8Array {
    this.builder.start({ producerId: this.producerId, producerEpoch: 0, baseSequence: batch.sequence });
    for (const value of batch.values) this.builder.append(null, encoder.encode(value), 1000);
    return this.builder.finish();
  }

  /** The connection is gone: nobody knows what became of what was not confirmed. */
  disconnect(): void {
    for (const batch of this.unconfirmed) batch.state = 'failed';
  }

  /** A batch was confirmed. */
  confirmed(batch: SequencedBatch): void {
    const index = this.unconfirmed.indexOf(batch);
    if (index >= 0) this.unconfirmed.splice(index, 1);
  }
}

/** A value that says who published it as which of its messages; `padding` bytes long besides. */
export function messageValue(publisher: string, serial: number, padding: number): string {
  return `${publisher}:${serial}:${'x'.repeat(padding)}`;
}

/** A listener made of two functions. */
export function listener(
  published: (baseOffset: number, count: number, reached: number) => void,
  failed: (code: string) => void,
): PublishListener {
  return {
    published: (_token, _partition, baseOffset, count, reached) => published(baseOffset, count, reached),
    publishFailed: (_token, error) => failed(error.code),
  };
}
