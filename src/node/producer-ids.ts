import type { Catalog, MetadataChange } from '../broker/catalog.js';
import { BrokerError } from '../broker/errors.js';
import { PRODUCER_ID_BLOCK } from '../broker/metadata-limits.js';

/** Epochs of a producer id fit 16 bits signed, as in Kafka; behind the last one comes a new id. */
const MAX_EPOCH = 0x7fff;

/** A producer's new stamp, and what must be durable before it is given away. */
export interface ProducerPlan {
  readonly changes: readonly MetadataChange[];
  readonly stamp: { readonly producerId: number; readonly epoch: number };
}

/** Hands out producer ids, in blocks that the metadata log reserves, and raises the epochs of ids that come back. */
export class ProducerIds {
  private readonly catalog: Catalog;
  private nextId: number;

  constructor(catalog: Catalog) {
    this.catalog = catalog;
    // What was reserved before this start may have been given away.
    this.nextId = Math.max(1, catalog.producerIdsBelow);
  }

  /** A new id (for 0), or the next epoch of `producerId`: older holders are fenced. @throws BrokerError */
  next(producerId: number): ProducerPlan {
    if (producerId === 0) return this.fresh();
    if (!Number.isSafeInteger(producerId) || producerId < 0 || producerId >= this.nextId) {
      throw new BrokerError(
        'unknown-producer',
        `Cannot raise the epoch of producer ${producerId}: it was never given away`,
      );
    }
    const epoch = this.catalog.producerEpoch(producerId) + 1;
    if (epoch > MAX_EPOCH) return this.fresh();
    return { changes: [{ kind: 'producer-epoch', producerId, epoch }], stamp: { producerId, epoch } };
  }

  private fresh(): ProducerPlan {
    const producerId = this.nextId++;
    const isReserved = producerId < this.catalog.producerIdsBelow;
    const below = producerId + PRODUCER_ID_BLOCK;
    return {
      changes: isReserved ? [] : [{ kind: 'reserve-producer-ids', below }],
      stamp: { producerId, epoch: 0 },
    };
  }
}
