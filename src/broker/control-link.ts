import type { AccessOutcome, AccessRequest, Actor, VerifierUpgrade } from './access/requests.js';
import type { Binding, ExchangeDeclaration } from './model.js';
import type { Declaration, DeleteQueueOptions } from './ports.js';

/** What a shard asks of the control thread. Each resolves when every shard has applied what it changed; promises reject with BrokerError. */
export interface ControlLink {
  /** Tells whether anything had to be created. */
  declare(declaration: Declaration): Promise<{ readonly created: boolean }>;
  /** Deletes a topic or queue, used or not; `vhost` absent = the default one. */
  delete(name: string, vhost?: string): Promise<void>;
  /** Deletes a queue when its owners agree. Returns how many messages went with it; 0 when there was none. */
  deleteQueue(vhost: string, name: string, options: DeleteQueueOptions): Promise<number>;
  /** Deletes what its owner has sealed already: auto-delete and `x-expires`. Nothing happens when it has gone. */
  deleteTopic(topicId: number): Promise<void>;
  declareExchange(declaration: ExchangeDeclaration): Promise<void>;
  deleteExchange(vhost: string, name: string, ifUnused: boolean): Promise<void>;
  bind(vhost: string, binding: Binding, connection: string): Promise<void>;
  unbind(vhost: string, binding: Binding, connection: string): Promise<void>;
  /** Deletes the exclusive queues of a connection that has ended, in one step. */
  connectionClosed(connection: string): Promise<void>;
  createVhost(vhost: string): Promise<void>;
  /** Deletes a virtual host with all that is in it. */
  deleteVhost(vhost: string): Promise<void>;
  /**
   * Carries out what an administrator asks, all together or nothing; the outcomes are in the order of the requests.
   * Rejects with `not-found`, `invalid-request`, `already-exists`, `limit-exceeded`, `access-refused`.
   */
  administer(requests: readonly AccessRequest[], actor: Actor): Promise<readonly AccessOutcome[]>;
  /** Replaces an imported user's hash by verifiers, if it still has that password. */
  upgradeVerifiers(upgrade: VerifierUpgrade): Promise<void>;
  /** A new producer id, or the next epoch of a known one. */
  initProducer(producerId: number): Promise<{ readonly producerId: number; readonly epoch: number }>;
}
