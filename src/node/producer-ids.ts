import type { Catalog, MetadataChange } from '../broker/catalog.js';
import { BrokerError } from '../broker/errors.js';
import { PRODUCER_ID_BLOCK } from '../broker/metadata-limits.js';

/** Epochs of a producer id fit 16 bits signed, as in Kafka; behind the last one comes a new id. */
const MAX_EPOCH = 0x7fff;

/** Hands out producer ids, in blocks that the metadata log reserves, and raises the epochs of ids that come back. */
export class ProducerIds {
  private readonly append: (change: MetadataChange) => Promise<number>;
  private readonly catalog: Catalog;
  private nextId: number;

  constructor(append: (change: MetadataChange) => Promise<number>, catalog: Catalog) {
    this.append = append;
    this.catalog = catalog;
    // What was reserved before this start may have been given away.
    this.nextId = Math.max(1, catalog.producerIdsBelow);
  }

  /** A new id (for 0), or the next epoch of `producerId`, durable before it resolves: older holders are fenced. @throws BrokerError */
  async next(producerId: number): Promise<{ producerId: number; epoch: number }> {
    if (producerId === 0) return this.fresh();
    if (!Number.isSafeInteger(producerId) || producerId < 0 || producerId >= this.nextId) {
      throw new BrokerError(
        'unknown-producer',
        `Cannot raise the epoch of producer ${producerId}: it was never given away`,
      );
    }
    const epoch = this.catalog.producerEpoch(producerId) + 1;
    if (epoch > MAX_EPOCH) return this.fresh();
    await this.append({ kind: 'producer-epoch', producerId, epoch });
    return { producerId, epoch };
  }

  private async fresh(): Promise<{ producerId: number; epoch: number }> {
    const producerId = this.nextId;
    if (producerId >= this.catalog.producerIdsBelow) {
      await this.append({ kind: 'reserve-producer-ids', below: producerId + PRODUCER_ID_BLOCK });
    }
    this.nextId = producerId + 1;
    return { producerId, epoch: 0 };
  }
}
