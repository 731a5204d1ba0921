/**
 * What goes with something that is removed, as changes in an order in which each can be applied: bindings before their ends, and exchanges that
 * delete themselves once their last binding has gone.
 */
import { type Catalog, isVolatileTopic } from '../catalog.js';
import type { MetadataChange } from '../metadata-changes.js';
import { type Binding, DEFAULT_VHOST } from '../model.js';
import type { TopicEntry } from '../ports.js';
import { isPredeclared } from './predeclared.js';
import type { VhostImage } from './vhost-image.js';

/** One step's removals from one virtual host of a catalog that stays as it is. */
export class Removal {
  readonly changes: MetadataChange[] = [];
  private readonly catalog: Catalog;
  private readonly image: VhostImage;
  /** The catalog's own objects. */
  private readonly gone = new Set<Binding>();
  /** How many bindings each exchange has left. */
  private readonly left = new Map<string, number>();
  /** Exchanges that are to go, and those that have gone. */
  private readonly doomed = new Set<string>();
  private readonly deleted = new Set<string>();

  constructor(catalog: Catalog, image: VhostImage) {
    this.catalog = catalog;
    this.image = image;
  }

  /** Removes a topic or queue. */
  topic(topic: TopicEntry): this {
    for (const binding of this.image.bindingsTo('queue', topic.name)) this.unbind(binding);
    this.changes.push(marked({ kind: 'delete-topic', topicId: topic.topicId }, isVolatileTopic(topic)));
    return this.deleteDoomed();
  }

  /** Removes a declared exchange. */
  exchange(name: string): this {
    this.doomed.add(name);
    return this.deleteDoomed();
  }

  /** Removes one of the catalog's bindings. */
  binding(binding: Binding): this {
    this.unbind(binding);
    return this.deleteDoomed();
  }

  /** Removes the virtual host with all that is in it. */
  all(): this {
    for (const name of this.image.exchanges.keys()) if (!isPredeclared(name)) this.doomed.add(name);
    for (const topic of this.image.topics.values()) this.topic(topic);
    this.deleteDoomed();
    // What is left are bindings between predeclared exchanges.
    for (const binding of this.image.bindings()) this.unbind(binding);
    this.changes.push({ kind: 'delete-vhost', vhost: this.image.name });
    return this;
  }

  private unbind(binding: Binding): void {
    if (this.gone.has(binding)) return;
    this.gone.add(binding);
    const vhost = this.image.name;
    const { source } = binding;
    this.changes.push(marked({ kind: 'unbind', vhost, binding }, this.catalog.isVolatileBinding(vhost, binding)));
    const left = (this.left.get(source) ?? this.image.countFrom(source)) - 1;
    this.left.set(source, left);
    if (left === 0 && this.image.exchanges.get(source)?.autoDelete === true) this.doomed.add(source);
  }

  /** A loop, since a chain of exchanges may be as long as somebody likes. A set's iteration reaches what is added on the way. */
  private deleteDoomed(): this {
    for (const name of this.doomed) {
      this.doomed.delete(name);
      const exchange = this.image.exchanges.get(name);
      if (exchange === undefined || this.deleted.has(name)) continue;
      this.deleted.add(name);
      for (const binding of this.image.bindingsFrom(name)) this.unbind(binding);
      for (const binding of this.image.bindingsTo('exchange', name)) this.unbind(binding);
      this.changes.push(marked({ kind: 'delete-exchange', vhost: this.image.name, name }, !exchange.durable));
    }
    return this;
  }
}

/** The virtual host that a topic is in. */
export function vhostOf(topic: TopicEntry): string {
  return topic.vhost ?? DEFAULT_VHOST;
}

/** A change that is written, or not. */
export function marked(change: MetadataChange, isVolatile: boolean): MetadataChange {
  return isVolatile ? { ...change, volatile: true } : change;
}
