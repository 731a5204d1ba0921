/** One virtual host of the catalog: its topics, exchanges and bindings, and where each binding is found from both its ends. */
import { assert } from '../../base/assert.js';
import type { Binding, ExchangeEntry } from '../model.js';
import type { StartAt, TopicEntry } from '../ports.js';
import { predeclaredExchanges } from './predeclared.js';

/** A topic, and where the cursors of a queue begin on logs that existed before the queue. */
export interface CatalogTopic extends TopicEntry {
  readonly start: StartAt;
}

/** Bindings by what makes them different. */
type BindingSet = Map<string, Binding>;

const NO_BINDINGS: BindingSet = new Map();

/** See the top of this file. */
export class VhostImage {
  readonly name: string;
  readonly topics = new Map<string, CatalogTopic>();
  readonly exchanges = new Map<string, ExchangeEntry>();
  private readonly bySource = new Map<string, BindingSet>();
  private readonly byDestination = new Map<string, BindingSet>();
  private count = 0;

  constructor(name: string) {
    this.name = name;
    for (const exchange of predeclaredExchanges(name)) this.exchanges.set(exchange.name, exchange);
  }

  /** Bindings of all exchanges. */
  get bindingCount(): number {
    return this.count;
  }

  hasBinding(binding: Binding): boolean {
    return this.bySource.get(binding.source)?.has(bindingKey(binding)) ?? false;
  }

  /** The image's own object for a binding that is the same. */
  findBinding(binding: Binding): Binding | undefined {
    return this.bySource.get(binding.source)?.get(bindingKey(binding));
  }

  bindingsFrom(source: string): Iterable<Binding> {
    return (this.bySource.get(source) ?? NO_BINDINGS).values();
  }

  bindingsTo(kind: Binding['destinationKind'], destination: string): Iterable<Binding> {
    return (this.byDestination.get(destinationKey(kind, destination)) ?? NO_BINDINGS).values();
  }

  countFrom(source: string): number {
    return this.bySource.get(source)?.size ?? 0;
  }

  countTo(kind: Binding['destinationKind'], destination: string): number {
    return this.byDestination.get(destinationKey(kind, destination))?.size ?? 0;
  }

  *bindings(): IterableIterator<Binding> {
    for (const set of this.bySource.values()) yield* set.values();
  }

  bind(binding: Binding): void {
    const { source, destination, destinationKind } = binding;
    const key = bindingKey(binding);
    const from = setOf(this.bySource, source);
    assert(!from.has(key), `Cannot bind "${destination}" to "${source}": the binding exists`);
    from.set(key, binding);
    setOf(this.byDestination, destinationKey(destinationKind, destination)).set(key, binding);
    this.count++;
  }

  unbind(binding: Binding): void {
    const { source, destination, destinationKind } = binding;
    const key = bindingKey(binding);
    const removed = remove(this.bySource, source, key);
    assert(removed, `Cannot unbind "${destination}" from "${source}": there is no such binding`);
    remove(this.byDestination, destinationKey(destinationKind, destination), key);
    this.count--;
  }
}

function setOf(sets: Map<string, BindingSet>, name: string): BindingSet {
  let set = sets.get(name);
  if (set === undefined) {
    set = new Map();
    sets.set(name, set);
  }
  return set;
}

function remove(sets: Map<string, BindingSet>, name: string, key: string): boolean {
  const set = sets.get(name);
  if (set === undefined || !set.delete(key)) return false;
  if (set.size === 0) sets.delete(name);
  return true;
}

function destinationKey(kind: Binding['destinationKind'], destination: string): string {
  return `${kind === 'queue' ? 'q' : 'e'}${destination}`;
}

/** Equal for equal bindings only: lengths keep parts apart whatever characters they hold. */
function bindingKey(binding: Binding): string {
  const { source, destination, destinationKind, routingKey } = binding;
  const kind = destinationKind === 'queue' ? 'q' : 'e';
  const head = `${kind}${source.length}:${destination.length}:${routingKey.length}:${source}${destination}${routingKey}`;
  return binding.arguments.length === 0 ? head : head + byteString(binding.arguments);
}

function byteString(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
