/**
 * The control thread's core: takes requests of sessions, keeps the metadata log, and answers a change only when every shard has applied it. It knows
 * shards as ports, so that a test drives it without threads.
 */

import type { Catalog, CatalogTopic, MetadataChange } from '../broker/catalog.js';
import { deletionChanges, validateDeclaration } from '../broker/declarations.js';
import { BrokerError } from '../broker/errors.js';
import type { Declaration } from '../broker/ports.js';
import type { PlainError } from './control-messages.js';
import type { MetadataLog } from './metadata-log.js';
import { ProducerIds } from './producer-ids.js';

/** Sends one change to every shard; resolves when all have applied it, with the first error any of them had. */
export type ApplyEverywhere = (version: number, change: MetadataChange) => Promise<PlainError | undefined>;

/** See the top of this file. */
export class Control {
  private readonly log: MetadataLog;
  private readonly applyEverywhere: ApplyEverywhere;
  private readonly producers: ProducerIds;
  private readonly defaultPartitions: number;
  /** Changes run one after the other: each is validated against the catalog that the one before has left. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(log: MetadataLog, applyEverywhere: ApplyEverywhere, defaultPartitions: number) {
    this.log = log;
    this.applyEverywhere = applyEverywhere;
    this.defaultPartitions = defaultPartitions;
    this.producers = new ProducerIds((change) => this.appendOnly(change), log.catalog);
  }

  /** Declares a topic or queue. @throws BrokerError */
  declare(declaration: Declaration): Promise<{ created: boolean }> {
    return this.inOrder(async () => {
      const changes = validateDeclaration(this.log.catalog, declaration, this.defaultPartitions);
      for (const change of changes) await this.change(change);
      return { created: changes.length > 0 };
    });
  }

  /** Deletes a topic or queue with its messages. @throws BrokerError `not-found` */
  delete(name: string): Promise<void> {
    return this.inOrder(async () => {
      for (const change of deletionChanges(this.log.catalog, name)) await this.change(change);
    });
  }

  /** A new producer id (0), or the next epoch of a known one. */
  initProducer(producerId: number): Promise<{ producerId: number; epoch: number }> {
    return this.inOrder(() => this.producers.next(producerId));
  }

  /** A change that shards need not wait for each other with; they still see every version. */
  private async appendOnly(change: MetadataChange): Promise<number> {
    const version = await this.log.append(change);
    await this.applyEverywhere(version, change);
    return version;
  }

  private async change(change: MetadataChange): Promise<void> {
    const undoes = undoChanges(this.log.catalog, change);
    const version = await this.log.append(change);
    const failure = await this.applyEverywhere(version, change);
    if (failure === undefined) return;
    // A shard could not make its log, or its cursor. The change is taken back everywhere, so that no shard knows what another cannot serve.
    for (const undo of undoes) {
      await this.applyEverywhere(await this.log.append(undo), undo);
    }
    throw new BrokerError(failure.code, failure.message);
  }

  private inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }
}

/** What takes a change back; to be asked before the catalog has it. */
function undoChanges(catalog: Catalog, change: MetadataChange): readonly MetadataChange[] {
  if (change.kind === 'create-topic') return [{ kind: 'delete-topic', topicId: change.topic.topicId }];
  const before = change.kind === 'attach-cursor' ? catalog.topicById(change.topicId) : undefined;
  return before === undefined ? [] : [attachment(before)];
}

/** Makes a topic again what it is now. */
function attachment({ topicId, settings, start }: CatalogTopic): MetadataChange {
  return { kind: 'attach-cursor', topicId, settings, start };
}
