/** What the rules of a queue are given: who they are for, what they may do to their partition, and what a shard has for all of them. */
import type { Clock } from '../../io/ports.js';
import type { MessageOrigin } from '../../record/amqp/envelope.js';
import type { QueueCursor } from '../cursor/queue-cursor.js';
import type { BrokerError } from '../errors.js';
import type { RoutedMessage } from '../model.js';
import type { PublishListener } from '../ports.js';
import type { StoredRecord } from '../push-reader.js';
import type { DueTimes } from './due-times.js';

/** A message on its way from a queue to a dead letter exchange. Borrowed until the call returns. */
export interface DeadLetter {
  readonly vhost: string;
  readonly message: RoutedMessage;
  readonly origin: MessageOrigin;
  /** Whether a queue must not get it, because that would close a circle. */
  readonly isBarred: (queue: string) => boolean;
}

/** Publishes dead letters on the shard of their queue. */
export interface DeadLetterPublisher {
  /**
   * Internal exchanges take it, too. Returns how many outcomes `listener` will get, 0 = nobody wants it or may have it.
   * @throws BrokerError `not-found`: there is no such exchange; `too-large`
   */
  publishDead(letter: DeadLetter, token: number, listener: PublishListener): number;
}

/** Which queue it is. */
export interface QueueIdentity {
  readonly vhost: string;
  readonly queue: string;
  readonly partition: number;
}

/** What a shard has for the rules of all its queues. */
export interface EngineParts {
  readonly clock: Clock;
  readonly due: DueTimes;
  readonly publisher: DeadLetterPublisher;
  /** For queues that say nothing about it, in ms; 0 = never. */
  readonly consumerTimeoutMs: number;
}

/** The partition, as its rules see it. */
export interface EngineHost {
  readonly cursor: QueueCursor;
  readonly visibleEnd: number;
  readonly consumerCount: number;
  /** How many deliveries consumers could take just now. */
  takeable(): number;
  /**
   * The record that would be delivered next, after those have gone that `QueuePolicyEngine.mayDeliver` does not let pass; it stays where it is.
   * Valid until the next read.
   */
  nextRecord(): StoredRecord | undefined;
  /** Reads aside from deliveries: the first record at or after `offset` that can be seen. @throws StorageError */
  read(offset: number): StoredRecord | undefined;
  /** Nothing is to be read aside soon. */
  forget(): void;
  /** There is something to do at the end of this turn. */
  touch(): void;
  /** Seals the queue and asks for its deletion. */
  deleteQueue(): void;
  /** Everybody who has deliveries, by number. */
  holders(): Iterable<number>;
  /** Ends a consumer, or who asks for single messages, and returns what it holds. */
  close(consumerId: number, error: BrokerError): void;
}

/** The number under which a queue itself holds messages that are being dead-lettered; sessions have none below 0. */
export const DEAD_LETTER_CONSUMER = -1;
