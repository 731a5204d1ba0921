import { predeclaredExchanges } from '../catalog/predeclared.js';
import type { Binding, ExchangeEntry } from '../model.js';
import { createBindingTable } from './binding-table.js';
import type { BindingTable } from './binding-types.js';
import { BoundBinding, bindingKey, QueueTarget } from './bound-binding.js';
import type { Destinations } from './destinations.js';

/** An exchange and the bindings from it. */
export class ExchangeRoutes {
  entry: ExchangeEntry;
  readonly table: BindingTable;
  readonly bindings = new Map<string, BoundBinding>();
  /** When the exchange or a binding from it changed, by the router's clock. */
  changedAt = 0;
  /** The last walk that came here: each exchange is visited once. */
  walk = 0;
  /** Bindings that lead to exchanges. */
  onward = 0;

  constructor(entry: ExchangeEntry) {
    this.entry = entry;
    this.table = createBindingTable(entry.routesAs);
  }

  /** No other exchange can be on the way: routes depend on the bindings from here alone. */
  get isLast(): boolean {
    return this.onward === 0 && this.entry.alternate === undefined;
  }
}

/** The exchanges of one virtual host, from its beginning with the predeclared ones. */
export class VhostRoutes {
  readonly exchanges = new Map<string, ExchangeRoutes>();
  /** Routes to one topic alone, the default exchange's among them: one for each topic that was published to. */
  readonly byName = new Map<string, Destinations>();
  /** When anything changed that a route may depend on, by the router's clock. */
  private changedAt = 0;
  private boundTopicsChangedAt = 0;
  private readonly targets = new Map<string, QueueTarget>();

  constructor(vhost: string) {
    for (const entry of predeclaredExchanges(vhost)) this.exchanges.set(entry.name, new ExchangeRoutes(entry));
  }

  /** The time from which on a route that begins at `exchange` holds still. */
  validFrom(exchange: ExchangeRoutes): number {
    return exchange.isLast ? Math.max(exchange.changedAt, this.boundTopicsChangedAt) : this.changedAt;
  }

  declare(entry: ExchangeEntry, time: number): void {
    this.changedAt = time;
    const known = this.exchanges.get(entry.name);
    if (known?.entry.routesAs === entry.routesAs) {
      known.entry = entry;
      known.changedAt = time;
      return;
    }
    const routes = new ExchangeRoutes(entry);
    routes.changedAt = time;
    this.exchanges.set(entry.name, routes);
    // The catalog unbinds before it replaces; should it ever not, bindings stay.
    for (const { binding } of known?.bindings.values() ?? []) this.bind(binding, time);
  }

  /** Returns what was deleted. */
  delete(name: string, time: number): ExchangeRoutes | undefined {
    this.changedAt = time;
    const routes = this.exchanges.get(name);
    for (const { binding } of routes?.bindings.values() ?? []) this.unbind(binding, time);
    this.exchanges.delete(name);
    return routes;
  }

  /** Adds a binding from an exchange that exists; one that is there already stays. */
  bind(binding: Binding, time: number): void {
    const source = this.exchanges.get(binding.source);
    if (source === undefined) return;
    this.changedAt = source.changedAt = time;
    const key = bindingKey(binding);
    if (source.bindings.has(key)) return;
    const bound = new BoundBinding(binding, this.targetOf(binding));
    if (bound.target === undefined) source.onward++;
    source.bindings.set(key, bound);
    source.table.add(bound);
  }

  private targetOf(binding: Binding): QueueTarget | undefined {
    if (binding.destinationKind === 'exchange') return undefined;
    let target = this.targets.get(binding.destination);
    if (target === undefined) {
      target = new QueueTarget(binding.destination);
      this.targets.set(binding.destination, target);
    }
    target.bindings++;
    return target;
  }

  unbind(binding: Binding, time: number): void {
    const source = this.exchanges.get(binding.source);
    const key = bindingKey(binding);
    const bound = source?.bindings.get(key);
    if (source === undefined || bound === undefined) return;
    this.changedAt = source.changedAt = time;
    source.bindings.delete(key);
    source.table.remove(bound);
    const { target } = bound;
    if (target === undefined) source.onward--;
    else if (--target.bindings === 0) this.targets.delete(target.name);
  }

  /** A topic was declared, replaced or deleted. */
  topicChanged(name: string, time: number): void {
    this.byName.delete(name);
    const target = this.targets.get(name);
    if (target === undefined) return;
    target.topic = null;
    this.changedAt = this.boundTopicsChangedAt = time;
  }
}
