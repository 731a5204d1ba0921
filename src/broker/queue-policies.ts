/**
 * Where the rules of a declared queue (expiry, lengths, dead letters, delivery limit, single active consumer) take part in what its owner does. A
 * plain log has none, and pays one comparison per batch and per delivery for that.
 */
import type { BrokerError } from './errors.js';
import type { SettleOutcome } from './ports.js';
import type { StoredRecord } from './push-reader.js';

/** What becomes of the message that would be delivered next; `taken`: the engine has it, the next one is looked at; `wait`: nothing goes just now. */
export type HeadVerdict = 'deliver' | 'taken' | 'wait';

/** Why an append is not taken: an error for its publisher, or it is there already and is confirmed as such. */
export type Refusal = BrokerError | 'duplicate';

/** See the top of this file. One per partition that has rules; the partition is the caller. */
export interface QueuePolicyEngine {
  /** Only the first consumer gets messages. */
  readonly hasSingleActive: boolean;
  /** Before an append; `batch` is borrowed. Returns why it must not be taken; undefined = it may. */
  admit(batch: Uint8Array): Refusal | undefined;
  /** What `admit` let pass was not appended: the log refused it, or has it already. */
  notAppended(batch: Uint8Array): void;
  /** A transaction that is not decided has appended `batch` (borrowed), or is now (-1): it takes room meanwhile. */
  reserve?(batch: Uint8Array, sign: 1 | -1): void;
  /** The log has given `batch` its offsets; borrowed. It is not visible yet, and `withdrawn` may take it back. */
  appended(batch: Uint8Array, baseOffset: number, count: number): void;
  /** Batches from `fromOffset` on, which `appended` told of, were not written: their offsets go to later messages. */
  withdrawn(fromOffset: number): void;
  /** The cursor knows of the messages up to `nextOffset` now. */
  visible(nextOffset: number): void;
  /** A turn's deliveries begin. False while nothing may be delivered; the partition is touched again for more. */
  beginTurn(): boolean;
  /** The message that would be delivered next; borrowed. */
  mayDeliver(record: StoredRecord): HeadVerdict;
  /** A message is handed to a consumer; `record` is borrowed. */
  delivered(record: StoredRecord, redelivered: boolean, automaticAck: boolean): void;
  /** Consumers have got what they can take: what is expired or too much goes. `isHeldUp`: they could take more that cannot be shown just yet. */
  endTurn(isHeldUp: boolean): void;
  /**
   * A consumer gives a message back or rejects it. Returns undefined to go on as usual; else the engine has settled it or holds it itself (true), or
   * found that the consumer does not hold it (false).
   */
  takeBack(consumerId: number, offset: number, outcome: SettleOutcome): boolean | undefined;
  /** Consumers have acknowledged so many messages. */
  acknowledged(count: number): void;
  /** What waited was purged. */
  purged(): void;
  /** Consumers came, went, or changed what they can take. */
  consumersChanged(): void;
  /** The queue was asked for something by name: a message, a declaration. */
  used(): void;
  /** The partition has gone. */
  close(): void;
}
