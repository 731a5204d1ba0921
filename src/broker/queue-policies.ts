/**
 * Where the rules of a declared queue (expiry, lengths, dead letters, delivery limit, single active consumer) take part in what its owner does. A
 * plain log has none, and pays one comparison per batch and per delivery for that.
 */
import type { BrokerError } from './errors.js';
import type { SettleOutcome } from './ports.js';
import type { StoredRecord } from './push-reader.js';

/** See the top of this file. One per partition that has rules; the partition is the caller. */
export interface QueuePolicyEngine {
  /** Before an append; `batch` is borrowed. Returns why it must not be taken, such as `queue-full`; undefined = it may. */
  admit(batch: Uint8Array): BrokerError | undefined;
  /** The log has given `batch` its offsets; borrowed. It is not visible yet, and `withdrawn` may take it back. */
  appended(batch: Uint8Array, baseOffset: number, count: number): void;
  /** Batches from `fromOffset` on, which `appended` told of, were not written: their offsets go to later messages. */
  withdrawn(fromOffset: number): void;
  /** The cursor knows of the messages up to `nextOffset` now: what lengths forbid can be dropped. */
  visible(nextOffset: number): void;
  /**
   * The message that would be delivered next. True: deliver it. False: the engine has taken it out of the cursor's way, by settling it or by holding it
   * itself, and the next one is looked at.
   */
  mayDeliver(record: StoredRecord): boolean;
  /** A message was handed to a consumer; `record` is borrowed. */
  delivered(record: StoredRecord): void;
  /**
   * A consumer gives a message back or rejects it. Returns undefined to go on as usual; else the engine has settled it or holds it itself (true), or
   * found that the consumer does not hold it (false).
   */
  takeBack(consumerId: number, offset: number, outcome: SettleOutcome): boolean | undefined;
  /** Consumers came, went, or changed what they can take. */
  consumersChanged(): void;
  /** Messages were settled in other ways than by `takeBack`: acknowledged, purged, or a consumer's returned. Called once for many. */
  settled(): void;
}
