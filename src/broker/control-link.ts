import type { Declaration } from './ports.js';

/** What a shard asks of the control thread. Promises reject with BrokerError. */
export interface ControlLink {
  /** Resolves when every shard has applied the declaration; tells whether anything had to be created. */
  declare(declaration: Declaration): Promise<{ readonly created: boolean }>;
  delete(name: string): Promise<void>;
  /** A new producer id, or the next epoch of a known one. */
  initProducer(producerId: number): Promise<{ readonly producerId: number; readonly epoch: number }>;
}
