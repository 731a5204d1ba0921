/** What a log of held messages is given: its partition, and what its shard has for all of them. */
import type { Clock, Timers } from '../../io/ports.js';
import type { MessageOrigin } from '../../record/amqp/envelope.js';
import type { StorageError } from '../../storage/errors.js';
import type { QueueCursor } from '../cursor/queue-cursor.js';
import type { RoutedMessage } from '../model.js';
import type { PublishListener } from '../ports.js';
import type { StoredRecord } from '../push-reader.js';

/** The partition, as the log of held messages uses it. */
export interface DelayHost {
  readonly cursor: QueueCursor;
  /** Messages below can be read. */
  readonly visibleEnd: number;
  /** The next offset to be given away. */
  readonly nextOffset: number;
  /** The first record at or after `offset` and below `end`; valid until the next read. @throws StorageError */
  read(offset: number, end: number): StoredRecord | undefined;
  /** As `read`, for walks along the log, which do not disturb it. @throws StorageError */
  scan(offset: number, end: number): StoredRecord | undefined;
  /** Gives back the memory of walks. */
  forgetScan(): void;
  /** There is something to do at the end of this turn. */
  touch(): void;
  /** Messages cannot be read, and are passed over. */
  damaged(error: StorageError): void;
}

/** What a shard has for its logs of held messages. */
export interface DelayParts {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Entries of the index, see NEAR_ENTRIES_MAX. */
  readonly nearEntriesMax: number;
  /** See SCANNED_PER_TURN. */
  readonly scannedPerTurn: number;
  exchangeExists(vhost: string, exchange: string): boolean;
  /** False while the way to the disk or to another shard is congested. */
  readonly canFire: boolean;
  /**
   * Routes a message whose time has come, from the exchange that has held it. Returns how many outcomes `listener` will get, 0 = nobody wants it. Everything is borrowed.
   * @throws BrokerError when it can go nowhere, now or later
   */
  fire(
    vhost: string,
    message: RoutedMessage,
    origin: MessageOrigin | undefined,
    token: number,
    listener: PublishListener,
    from: string,
  ): number;
}
