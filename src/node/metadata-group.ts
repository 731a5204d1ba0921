/**
 * One group of metadata changes on its way: planned one after the other, each against what the one before has left, then written, applied by every
 * shard and answered together. A change that a shard could not make is taken back everywhere, without harm to the others of its group.
 */
import type { Catalog, CatalogTopic, MetadataChange, MetadataStep } from '../broker/catalog.js';
import { removalChanges } from '../broker/declarations.js';
import { BrokerError } from '../broker/errors.js';
import { type EncodedStep, encodeStep } from '../broker/metadata-changes.js';
import { GROUP_BYTES_MAX } from '../broker/metadata-limits.js';
import { DEFAULT_VHOST } from '../broker/model.js';
import type { PlainError, StepFailure } from './control-messages.js';

/** What a request changes, and what it is answered with once that is done. */
export interface Plan {
  readonly changes: readonly MetadataChange[];
  readonly result?: unknown;
}

/** One request to the metadata. */
export interface Operation {
  /** What it changes in the catalog as it is. @throws BrokerError when it is refused */
  plan(catalog: Catalog): Plan;
  /** The queue or topic without which its success means nothing. */
  readonly needs?: { readonly vhost: string; readonly name: string };
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Planned {
  readonly operation: Operation;
  readonly result: unknown;
  readonly step: MetadataStep | undefined;
}

/** See the top of this file. */
export class MetadataGroup {
  /** What the shards must apply, in order. */
  readonly steps: MetadataStep[] = [];
  /** What must be written of it. */
  readonly written: EncodedStep[] = [];
  private readonly catalog: Catalog;
  private readonly planned: Planned[] = [];
  /** Topics as they were before a queue's cursor was attached to them, by the step that did it. */
  private readonly before = new Map<number, CatalogTopic>();
  private readonly refused: { readonly operation: Operation; readonly error: unknown }[] = [];
  private bytes = 0;

  constructor(catalog: Catalog) {
    this.catalog = catalog;
  }

  /** Whether no more should be taken. */
  get isFull(): boolean {
    return this.bytes >= GROUP_BYTES_MAX;
  }

  /** Plans a request and applies it to the control thread's catalog. */
  take(operation: Operation): void {
    let plan: Plan;
    try {
      plan = operation.plan(this.catalog);
    } catch (error) {
      this.refused.push({ operation, error });
      return;
    }
    const step = this.step(plan.changes);
    this.planned.push({ operation, result: plan.result, step });
  }

  /** Adds a step that nobody is answered for. */
  step(changes: readonly MetadataChange[]): MetadataStep | undefined {
    if (changes.length === 0) return undefined;
    const step = { version: this.catalog.version + 1, changes };
    this.noteBefore(step);
    const written = encodedStep(step);
    this.catalog.applyStep(step.version, changes);
    this.steps.push(step);
    if (written !== undefined) {
      this.written.push(written);
      this.bytes += written.bytes.length;
    }
    return step;
  }

  /** What takes back those of the group's changes that a shard could not make. */
  undo(failures: readonly StepFailure[]): MetadataGroup {
    const undo = new MetadataGroup(this.catalog);
    const failed = new Set(failures.map(({ version }) => version));
    for (const { version, changes } of this.steps) {
      if (!failed.has(version)) continue;
      for (const change of changes) {
        if (change.kind === 'create-topic') undo.step(this.withoutTopic(change.topic.topicId));
        else if (change.kind === 'attach-cursor') undo.step(this.withoutCursor(this.before.get(version)));
      }
    }
    return undo;
  }

  /** A declaration attaches one cursor at most. */
  private noteBefore({ version, changes }: MetadataStep): void {
    for (const change of changes) {
      const topic = change.kind === 'attach-cursor' ? this.catalog.topicById(change.topicId) : undefined;
      if (topic !== undefined) this.before.set(version, topic);
    }
  }

  private withoutTopic(topicId: number): readonly MetadataChange[] {
    const topic = this.catalog.topicById(topicId);
    return topic === undefined ? [] : removalChanges(this.catalog, topic);
  }

  /** Makes a topic again what it was, unless it has gone. */
  private withoutCursor(before: CatalogTopic | undefined): readonly MetadataChange[] {
    if (before === undefined || this.catalog.topicById(before.topicId) === undefined) return [];
    const { topicId, settings, start } = before;
    return [{ kind: 'attach-cursor', topicId, settings, start }];
  }

  /** Answers all; `failures` are told to those whose step it was, and to those that needed what has gone with it. */
  answer(failures: readonly StepFailure[]): void {
    for (const { operation, error } of this.refused) operation.reject(error);
    const errors = new Map(failures.map(({ version, error }) => [version, error]));
    const gone = new Map<string, PlainError>();
    for (const { operation, result, step } of this.planned) {
      const own = step === undefined ? undefined : errors.get(step.version);
      if (own !== undefined) this.noteGone(gone, step!, own);
      const error = own ?? (operation.needs === undefined ? undefined : gone.get(nameKey(operation.needs)));
      if (error === undefined) operation.resolve(result);
      else operation.reject(new BrokerError(error.code, error.message));
    }
  }

  /** The names of what a failed step would have made. */
  private noteGone(gone: Map<string, PlainError>, { version, changes }: MetadataStep, error: PlainError): void {
    for (const change of changes) {
      const topic = change.kind === 'create-topic' ? change.topic : this.before.get(version);
      if (topic !== undefined) gone.set(nameKey({ vhost: topic.vhost ?? DEFAULT_VHOST, name: topic.name }), error);
    }
  }
}

function nameKey({ vhost, name }: { readonly vhost: string; readonly name: string }): string {
  return `${vhost.length}:${vhost}${name}`;
}

/** What is written of a step; undefined when all of it is volatile. */
function encodedStep({ version, changes }: MetadataStep): EncodedStep | undefined {
  const durable = changes.filter((change) => change.volatile !== true);
  return durable.length === 0 ? undefined : { version, bytes: encodeStep(durable) };
}
