import type { AccessOutcome, AccessRequest, Actor, VerifierUpgrade } from '../broker/access/requests.js';
import type { ControlLink } from '../broker/control-link.js';
import { BrokerError } from '../broker/errors.js';
import type { Binding, ExchangeDeclaration } from '../broker/model.js';
import type { Declaration, DeleteQueueOptions } from '../broker/ports.js';
import type { CleanJob, CleanResult } from '../storage/clean-segment.js';
import type { BackgroundPool } from '../storage/maintenance.js';
import type { ControlRequest, FromShard, PlainError } from './control-messages.js';

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: BrokerError) => void;
}

/** A shard's requests to the control thread and their answers. */
export class ControlRequests implements ControlLink, BackgroundPool {
  private readonly post: (message: FromShard) => void;
  private readonly waiting = new Map<number, Waiting>();
  private nextRequest = 1;

  constructor(post: (message: FromShard) => void) {
    this.post = post;
  }

  // The control thread answers each kind of request with the type that is named here (control.ts, node.ts).

  declare(declaration: Declaration): Promise<{ created: boolean }> {
    return this.ask({ kind: 'declare', declaration }) as Promise<{ created: boolean }>;
  }

  async delete(name: string, vhost?: string): Promise<void> {
    await this.ask({ kind: 'delete', name, vhost });
  }

  deleteQueue(vhost: string, name: string, options: DeleteQueueOptions): Promise<number> {
    return this.ask({ kind: 'delete-queue', vhost, name, options }) as Promise<number>;
  }

  async deleteTopic(topicId: number): Promise<void> {
    await this.ask({ kind: 'delete-topic', topicId });
  }

  async declareExchange(declaration: ExchangeDeclaration): Promise<void> {
    await this.ask({ kind: 'declare-exchange', declaration });
  }

  async deleteExchange(vhost: string, name: string, ifUnused: boolean): Promise<void> {
    await this.ask({ kind: 'delete-exchange', vhost, name, ifUnused });
  }

  async bind(vhost: string, binding: Binding, connection: string): Promise<void> {
    await this.ask({ kind: 'bind', vhost, binding, connection });
  }

  async unbind(vhost: string, binding: Binding, connection: string): Promise<void> {
    await this.ask({ kind: 'unbind', vhost, binding, connection });
  }

  async connectionClosed(connection: string): Promise<void> {
    await this.ask({ kind: 'connection-closed', connection });
  }

  async createVhost(vhost: string): Promise<void> {
    await this.ask({ kind: 'create-vhost', vhost });
  }

  async deleteVhost(vhost: string): Promise<void> {
    await this.ask({ kind: 'delete-vhost', vhost });
  }

  administer(requests: readonly AccessRequest[], actor: Actor): Promise<readonly AccessOutcome[]> {
    return this.ask({ kind: 'administer', requests, actor }) as Promise<readonly AccessOutcome[]>;
  }

  async upgradeVerifiers(upgrade: VerifierUpgrade): Promise<void> {
    await this.ask({ kind: 'upgrade-verifiers', upgrade });
  }

  initProducer(producerId: number): Promise<{ producerId: number; epoch: number }> {
    return this.ask({ kind: 'init-producer', producerId }) as Promise<{ producerId: number; epoch: number }>;
  }

  /** Has the keys of tokens looked up anew; when it resolves this shard has them, and knows whether there are new ones. */
  refreshTokenKeys(): Promise<boolean> {
    return this.ask({ kind: 'refresh-token-keys' }) as Promise<boolean>;
  }

  /** Rewrites a segment on the background pool. */
  run(job: CleanJob): Promise<CleanResult> {
    return this.ask({ kind: 'clean', job }) as Promise<CleanResult>;
  }

  /** Any request; the answer's type belongs to its kind. @throws BrokerError */
  ask(body: ControlRequest): Promise<unknown> {
    const request = this.nextRequest++;
    return new Promise((resolve, reject) => {
      this.waiting.set(request, { resolve, reject });
      this.post({ kind: 'request', request, body });
    });
  }

  /** Takes an answer. */
  answered(request: number, result: unknown, error: PlainError | undefined): void {
    const waiting = this.waiting.get(request);
    this.waiting.delete(request);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new BrokerError(error.code, error.message));
  }
}
