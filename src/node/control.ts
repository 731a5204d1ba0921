/**
 * The control thread's core: takes requests of sessions, keeps the metadata log, and answers a change only when every shard has applied it. It knows
 * shards as ports, so that a test drives it without threads.
 *
 * All requests that wait are carried out together: one write and one sync, one message to every shard.
 */

import { upgradeChanges } from '../broker/access/plan.js';
import type { AccessOutcome, AccessRequest, Actor, VerifierUpgrade } from '../broker/access/requests.js';
import { resource } from '../broker/catalog/sentences.js';
import type { Catalog, CatalogTopic, MetadataStep } from '../broker/catalog.js';
import type { ControlLink } from '../broker/control-link.js';
import {
  bindingChanges,
  connectionEndChanges,
  deletionChanges,
  exchangeDeclarationChanges,
  exchangeDeletionChanges,
  type NodeShape,
  queueToDelete,
  removalChanges,
  unbindingChanges,
  validateDeclaration,
  vhostCreationChanges,
  vhostDeletionChanges,
} from '../broker/declarations.js';
import { BrokerError } from '../broker/errors.js';
import type { EncodedStep } from '../broker/metadata-changes.js';
import { STEPS_PER_GROUP } from '../broker/metadata-limits.js';
import { type Binding, DEFAULT_VHOST, type ExchangeDeclaration } from '../broker/model.js';
import type { Declaration, DeleteQueueOptions } from '../broker/ports.js';
import { type Administration, plainAdministration } from './administration.js';
import type { MetadataRequest, SealConditions, SealResult, StepFailure } from './control-messages.js';
import { MetadataGroup, type Operation, type Plan } from './metadata-group.js';
import type { MetadataLog } from './metadata-log.js';
import { ProducerIds } from './producer-ids.js';

/** The shards as the control thread uses them. */
export interface ControlShards {
  /** Sends steps to every shard in one message; resolves when all have applied them, with what failed. */
  apply(steps: readonly MetadataStep[]): Promise<readonly StepFailure[]>;
  /** Asks the owners to take nothing more into these logs, and to give nothing. All are sealed, or none. */
  seal(logIds: readonly number[], conditions: SealConditions): Promise<SealResult>;
  unseal(logIds: readonly number[]): void;
}

/** See the top of this file. */
export class Control implements ControlLink {
  private readonly log: MetadataLog;
  private readonly catalog: Catalog;
  private readonly shards: ControlShards;
  private readonly node: NodeShape;
  private readonly producers: ProducerIds;
  private readonly administration: Administration;
  /** What was done to queues since the start; declarations that a shard knows to change nothing are not among them. */
  readonly counts = { declared: 0, created: 0, deleted: 0 };
  private waiting: Operation[] = [];
  private isRunning = false;
  /** What wants to see the metadata at rest. */
  private quiet: (() => Promise<void>)[] = [];
  /** Written with the next group: takes back what a shard could not make, at a time when there was no room to write that. */
  private owed: EncodedStep[] = [];

  constructor(log: MetadataLog, shards: ControlShards, node: NodeShape, administration = plainAdministration()) {
    this.administration = administration;
    this.log = log;
    this.catalog = log.catalog;
    this.shards = shards;
    this.node = node;
    this.producers = new ProducerIds(log.catalog);
  }

  /** Carries out a request of a shard. The answer's type belongs to its kind (control-requests.ts). @throws BrokerError */
  request(body: MetadataRequest): Promise<unknown> {
    switch (body.kind) {
      case 'declare':
        return this.declare(body.declaration);
      case 'delete':
        return this.delete(body.name, body.vhost);
      case 'delete-queue':
        return this.deleteQueue(body.vhost, body.name, body.options);
      case 'delete-topic':
        return this.deleteTopic(body.topicId);
      case 'declare-exchange':
        return this.declareExchange(body.declaration);
      case 'delete-exchange':
        return this.deleteExchange(body.vhost, body.name, body.ifUnused);
      case 'bind':
        return this.bind(body.vhost, body.binding, body.connection);
      case 'unbind':
        return this.unbind(body.vhost, body.binding, body.connection);
      case 'connection-closed':
        return this.connectionClosed(body.connection);
      case 'create-vhost':
        return this.createVhost(body.vhost);
      case 'delete-vhost':
        return this.deleteVhost(body.vhost);
      case 'administer':
        return this.administer(body.requests, body.actor);
      case 'upgrade-verifiers':
        return this.upgradeVerifiers(body.upgrade);
      case 'init-producer':
        return this.initProducer(body.producerId);
    }
  }

  async declare(declaration: Declaration): Promise<{ created: boolean }> {
    const { name, vhost = DEFAULT_VHOST } = declaration;
    const created = await this.change(
      (catalog) => {
        const changes = validateDeclaration(catalog, declaration, this.node);
        return { changes, result: changes.length > 0 };
      },
      { vhost, name },
    );
    this.counts.declared++;
    if (created === true) this.counts.created++;
    return { created: created === true };
  }

  async delete(name: string, vhost: string = DEFAULT_VHOST): Promise<void> {
    await this.change((catalog) => ({ changes: deletionChanges(catalog, name, vhost) }));
  }

  async deleteQueue(vhost: string, name: string, options: DeleteQueueOptions): Promise<number> {
    // Behind the requests that came before, of which one may make the queue.
    const queue = await this.change((catalog) => {
      return { changes: [], result: queueToDelete(catalog, vhost, name, options.connection) };
    });
    // What the plan above has returned.
    return queue === undefined ? 0 : this.deleteSealed(queue as CatalogTopic, resource('queue', vhost, name), options);
  }

  private async deleteSealed(queue: CatalogTopic, subject: string, options: DeleteQueueOptions): Promise<number> {
    const { ifUnused, ifEmpty } = options;
    const logIds = queue.partitions.map(({ logId }) => logId);
    const seal = await this.shards.seal(logIds, { ifUnused, ifEmpty });
    if (!seal.sealed) {
      const reason = seal.reason === 'in-use' ? 'in use' : 'not empty';
      throw new BrokerError('precondition-failed', `${subject} ${reason}`);
    }
    try {
      await this.deleteTopic(queue.topicId);
    } catch (error) {
      this.shards.unseal(logIds);
      throw error;
    }
    return seal.ready;
  }

  async deleteTopic(topicId: number): Promise<void> {
    await this.change((catalog) => {
      const topic = catalog.topicById(topicId);
      return { changes: topic === undefined ? [] : removalChanges(catalog, topic) };
    });
    this.counts.deleted++;
  }

  async declareExchange(declaration: ExchangeDeclaration): Promise<void> {
    await this.change((catalog) => ({ changes: exchangeDeclarationChanges(catalog, declaration) }));
  }

  async deleteExchange(vhost: string, name: string, ifUnused: boolean): Promise<void> {
    await this.change((catalog) => ({ changes: exchangeDeletionChanges(catalog, vhost, name, ifUnused) }));
  }

  async bind(vhost: string, binding: Binding, connection: string): Promise<void> {
    const needs = binding.destinationKind === 'queue' ? { vhost, name: binding.destination } : undefined;
    await this.change((catalog) => ({ changes: bindingChanges(catalog, vhost, binding, connection) }), needs);
  }

  async unbind(vhost: string, binding: Binding, connection: string): Promise<void> {
    await this.change((catalog) => ({ changes: unbindingChanges(catalog, vhost, binding, connection) }));
  }

  async connectionClosed(connection: string): Promise<void> {
    await this.change((catalog) => ({ changes: connectionEndChanges(catalog, connection) }));
  }

  async createVhost(vhost: string): Promise<void> {
    await this.change((catalog) => ({ changes: vhostCreationChanges(catalog, vhost) }));
  }

  async deleteVhost(vhost: string): Promise<void> {
    await this.change((catalog) => ({ changes: vhostDeletionChanges(catalog, vhost) }));
  }

  async administer(requests: readonly AccessRequest[], actor: Actor): Promise<readonly AccessOutcome[]> {
    return await this.administration.administer(requests, actor, async (plan) => {
      // What the plan has returned.
      return (await this.change(plan)) as readonly AccessOutcome[];
    });
  }

  async upgradeVerifiers(upgrade: VerifierUpgrade): Promise<void> {
    await this.change((catalog) => ({ changes: upgradeChanges(catalog, upgrade) }));
  }

  async initProducer(producerId: number): Promise<{ producerId: number; epoch: number }> {
    const stamp = await this.change(() => {
      const plan = this.producers.next(producerId);
      return { changes: plan.changes, result: plan.stamp };
    });
    // What the plan above has returned.
    return stamp as { producerId: number; epoch: number };
  }

  /** Does `work` when no change is under way; none begins before it has ended. */
  atRest<Result>(work: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.quiet.push(() => work().then(resolve, reject));
      if (!this.isRunning) void this.run();
    });
  }

  /** Resolves with the plan's result when every shard has applied its changes. */
  private change(plan: (catalog: Catalog) => Plan, needs?: Operation['needs']): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.waiting.push(needs === undefined ? { plan, resolve, reject } : { plan, needs, resolve, reject });
      if (!this.isRunning) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    // What comes in the same turn goes together.
    await Promise.resolve();
    while (this.waiting.length > 0 || this.quiet.length > 0) {
      for (const work of this.quiet.splice(0)) await work();
      const operations = this.waiting;
      this.waiting = [];
      for (let from = 0; from < operations.length; ) from += await this.carryOut(operations, from, STEPS_PER_GROUP);
    }
    this.isRunning = false;
  }

  /** Carries out up to `most` operations together. Returns how many. Never rejects: whoever asked is told. */
  private async carryOut(operations: readonly Operation[], from: number, most: number): Promise<number> {
    const group = new MetadataGroup(this.catalog);
    let count = 0;
    this.catalog.record();
    try {
      while (count < most && from + count < operations.length && !group.isFull) group.take(operations[from + count++]!);
      await this.write(group.written);
      this.catalog.keep();
    } catch (error) {
      this.catalog.rollBack();
      // One of them may be in the way of the others, or those that are not written could do without the disk.
      if (count > 1) for (let index = 0; index < count; index++) await this.carryOut(operations, from + index, 1);
      else operations[from]!.reject(error);
      return count;
    }
    await this.spread(group);
    return count;
  }

  private async write(steps: readonly EncodedStep[]): Promise<void> {
    if (steps.length === 0) return;
    const all = this.owed.length === 0 ? steps : [...this.owed, ...steps];
    await this.log.appendApplied(all);
    this.owed = [];
  }

  private async spread(group: MetadataGroup): Promise<void> {
    if (group.steps.length === 0) {
      group.answer([]);
      return;
    }
    const failures = await this.shards.apply(group.steps);
    if (failures.length > 0) await this.takeBack(group.undo(failures));
    group.answer(failures);
  }

  /** No shard may know a topic that another cannot serve. */
  private async takeBack(undo: MetadataGroup): Promise<void> {
    try {
      await this.write(undo.written);
    } catch {
      // The catalogs go on without it. A start before the next write would find it again, empty: nobody was told that it is there, or that it is not.
      this.owed.push(...undo.written);
    }
    if (undo.steps.length > 0) await this.shards.apply(undo.steps);
  }
}
