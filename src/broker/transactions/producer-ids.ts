/** The producer ids of one coordinator: each has one transaction at a time, under an epoch that no other transaction ever has. */
import { OWN_PRODUCER_ID_FIRST } from '../../storage/transaction-table.js';
import { BrokerError } from '../errors.js';
import type { TransactionKey } from './keys.js';
import { MAX_COORDINATOR_IDS, MAX_PRODUCER_EPOCH } from './limits.js';

/** See the top of this file. */
export class CoordinatorIds {
  private readonly first: number;
  private readonly free: TransactionKey[] = [];
  private made = 0;

  /** `journalId`: unique among all shards and starts of the node, which makes the ids so. */
  constructor(journalId: number) {
    this.first = OWN_PRODUCER_ID_FIRST + journalId * MAX_COORDINATOR_IDS;
  }

  /** A key for one transaction. @throws BrokerError `limit-exceeded` */
  take(): TransactionKey {
    const key = this.free.pop();
    if (key !== undefined) return key;
    if (this.made >= MAX_COORDINATOR_IDS) {
      throw new BrokerError(
        'limit-exceeded',
        `Cannot begin a transaction: ${this.made} producer ids are in use or used up`,
      );
    }
    return { producerId: this.first + this.made++, epoch: 0 };
  }

  /** Its transaction is over everywhere: the next one has the next epoch. */
  giveBack({ producerId, epoch }: TransactionKey): void {
    if (epoch < MAX_PRODUCER_EPOCH) this.free.push({ producerId, epoch: epoch + 1 });
  }
}
