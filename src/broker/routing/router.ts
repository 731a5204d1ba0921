/**
 * Where messages go: exchanges, bindings and their types as RabbitMQ has them, from the routing key and the headers to topics and queues. One per
 * shard, fed by the changes of the catalog; no I/O.
 */

import { EMPTY_PROPERTIES } from '../../record/amqp/properties.js';
import type { CatalogListener } from '../catalog/listener.js';
import { isPredeclared } from '../catalog/predeclared.js';
import { BrokerError } from '../errors.js';
import type { Binding, ExchangeEntry, RouteStep } from '../model.js';
import type { TopicEntry } from '../ports.js';
import type { BindingList } from './bound-binding.js';
import { carbonCopies } from './carbon-copies.js';
import { type Destinations, UNROUTABLE } from './destinations.js';
import { ExchangeCounters } from './exchange-counters.js';
import { explainRoute } from './explanation.js';
import { RouteCache } from './route-cache.js';
import { RouteWalk } from './route-walk.js';
import { type ExchangeRoutes, VhostRoutes } from './vhost-routes.js';

export type { Destinations } from './destinations.js';

/** See the top of this file. */
export class Router implements CatalogListener {
  /** What publishers have had routed here: they count, since they alone know what is published and what is only asked. */
  readonly counters = new ExchangeCounters();
  private readonly find: (vhost: string, name: string) => TopicEntry | undefined;
  private readonly vhosts = new Map<string, VhostRoutes>();
  private readonly cache: RouteCache;
  private readonly walk: RouteWalk;
  private readonly oneKey = [''];
  /** Counts changes: a cached route knows the time at which it was found. */
  private time = 0;

  /** `find` looks a topic or queue up by name; what it returns is kept until `topicChanged` names it. */
  constructor(find: (vhost: string, name: string) => TopicEntry | undefined, cache: RouteCache = new RouteCache()) {
    this.find = find;
    this.cache = cache;
    this.walk = new RouteWalk(find);
  }

  /** An exchange is there, or is there with other settings. Bindings to an exchange may come before and after it. */
  exchangeDeclared(exchange: ExchangeEntry): void {
    this.vhostOf(exchange.vhost).declare(exchange, ++this.time);
  }

  /** An exchange has gone, and what was bound from it. The last one takes the virtual host along. */
  exchangeDeleted(vhost: string, name: string): void {
    this.counters.forget(vhost, name);
    const routes = this.vhosts.get(vhost);
    if (routes === undefined) return;
    const deleted = routes.delete(name, ++this.time);
    if (deleted !== undefined) this.cache.delete(deleted);
    if (routes.exchanges.size === 0) this.vhosts.delete(vhost);
  }

  /** A binding is there; its source was declared before. */
  bound(vhost: string, binding: Binding): void {
    this.vhostOf(vhost).bind(binding, ++this.time);
  }

  /** A binding has gone. */
  unbound(vhost: string, binding: Binding): void {
    this.vhosts.get(vhost)?.unbind(binding, ++this.time);
  }

  /** A topic or queue was declared, deleted or replaced. */
  topicChanged(vhost: string, name: string): void {
    this.vhosts.get(vhost)?.topicChanged(name, ++this.time);
  }

  private vhostOf(name: string): VhostRoutes {
    let routes = this.vhosts.get(name);
    if (routes === undefined) {
      routes = new VhostRoutes(name);
      this.vhosts.set(name, routes);
    }
    return routes;
  }

  /**
   * Where a message goes, after alternate exchanges. `properties` are verified; they are looked at for CC and BCC, and where an exchange on the
   * way is of type headers. The result is shared: only its `cached` may be written.
   * @throws BrokerError `not-found`: no such exchange; `precondition-failed`: CC or BCC is no array.
   */
  route(vhost: string, exchange: string, routingKey: string, properties: Uint8Array): Destinations {
    if (exchange === '') return this.routeByName(vhost, routingKey, properties);
    const routes = this.vhosts.get(vhost);
    const source = routes?.exchanges.get(exchange);
    if (routes === undefined || source === undefined) return this.routeUnknown(vhost, exchange, properties);
    return this.routeFrom(vhost, routes, source, routingKey, properties);
  }

  /**
   * As `route`, for what clients publish.
   * @throws BrokerError as `route`, and `access-refused` for an internal exchange.
   */
  routePublished(vhost: string, exchange: string, routingKey: string, properties: Uint8Array): Destinations {
    if (exchange === '') return this.routeByName(vhost, routingKey, properties);
    const routes = this.vhosts.get(vhost);
    const source = routes?.exchanges.get(exchange);
    if (routes === undefined || source === undefined) return this.routeUnknown(vhost, exchange, properties);
    if (source.entry.internal) throw internalExchange(vhost, exchange);
    return this.routeFrom(vhost, routes, source, routingKey, properties);
  }

  /** Which exchanges a message meets, which of their bindings match, and why: for people. @throws BrokerError as `route`. */
  explain(vhost: string, exchange: string, routingKey: string, properties: Uint8Array): readonly RouteStep[] {
    const routes = this.vhosts.get(vhost) ?? new VhostRoutes(vhost);
    if (!routes.exchanges.has(exchange)) throw noExchange(vhost, exchange);
    const keys = [routingKey, ...(carbonCopies(properties) ?? [])];
    return explainRoute(routes, exchange, keys, properties, (name) => this.find(vhost, name) !== undefined);
  }

  /** The predeclared exchanges of a virtual host of which nothing was heard are there, and have no bindings. */
  private routeUnknown(vhost: string, exchange: string, properties: Uint8Array): Destinations {
    if (this.vhosts.has(vhost) || !isPredeclared(exchange)) throw noExchange(vhost, exchange);
    carbonCopies(properties);
    return UNROUTABLE;
  }

  /** The default exchange: the routing key is the name of the topic or queue. */
  private routeByName(vhost: string, name: string, properties: Uint8Array): Destinations {
    const copies = carbonCopies(properties);
    if (copies !== undefined) return this.routeByNames(vhost, [name, ...copies]);
    const known = this.vhosts.get(vhost)?.byName;
    const route = known?.get(name);
    if (route !== undefined) return route;
    const topic = this.find(vhost, name);
    return topic === undefined ? UNROUTABLE : aloneIn(known, topic);
  }

  private routeByNames(vhost: string, names: readonly string[]): Destinations {
    const topics: TopicEntry[] = [];
    for (const name of new Set(names)) {
      const topic = this.find(vhost, name);
      if (topic !== undefined) topics.push(topic);
    }
    return { topics };
  }

  private routeFrom(
    vhost: string,
    routes: VhostRoutes,
    source: ExchangeRoutes,
    routingKey: string,
    properties: Uint8Array,
  ): Destinations {
    const copies = carbonCopies(properties);
    if (copies !== undefined) {
      const keys = [...new Set([routingKey, ...copies])];
      return this.destinations(routes, this.walk.run(vhost, routes, source, keys, properties));
    }
    return source.isLast && source.table.only !== undefined
      ? this.routeByList(vhost, routes, source, source.table.only(routingKey), routingKey)
      : this.routeByCache(vhost, routes, source, routingKey, properties);
  }

  /** All that matches is in one list, and nothing leads on from `source`. */
  private routeByList(
    vhost: string,
    routes: VhostRoutes,
    source: ExchangeRoutes,
    list: BindingList | undefined,
    routingKey: string,
  ): Destinations {
    if (list === undefined) return UNROUTABLE;
    if (list.route !== undefined && list.routeTime >= routes.validFrom(source)) return list.route;
    list.route = this.walkFrom(vhost, routes, source, routingKey, EMPTY_PROPERTIES);
    list.routeTime = this.time;
    return list.route;
  }

  private routeByCache(
    vhost: string,
    routes: VhostRoutes,
    source: ExchangeRoutes,
    routingKey: string,
    properties: Uint8Array,
  ): Destinations {
    const known = this.cache.get(source, routingKey, routes.validFrom(source));
    if (known !== undefined) return known;
    const found = this.walkFrom(vhost, routes, source, routingKey, properties);
    if (!this.walk.usedHeaders) this.cache.set(source, routingKey, found, this.time);
    return found;
  }

  private walkFrom(
    vhost: string,
    routes: VhostRoutes,
    source: ExchangeRoutes,
    routingKey: string,
    properties: Uint8Array,
  ): Destinations {
    this.oneKey[0] = routingKey;
    return this.destinations(routes, this.walk.run(vhost, routes, source, this.oneKey, properties));
  }

  /** What the walk that has just ended has found. */
  private destinations({ byName }: VhostRoutes, topics: readonly TopicEntry[]): Destinations {
    const { held } = this.walk;
    if (held !== undefined) return { topics, held };
    if (topics.length === 0) return UNROUTABLE;
    return topics.length === 1 ? aloneIn(byName, topics[0]!) : { topics };
  }
}

/** The one route to a topic alone: 100,000 bindings to a queue share what publishers compute from it, and find it in the processor's cache. */
function aloneIn(known: Map<string, Destinations> | undefined, topic: TopicEntry): Destinations {
  const route = known?.get(topic.name);
  if (route !== undefined) return route;
  const alone: Destinations = { topics: [topic] };
  known?.set(topic.name, alone);
  return alone;
}

function noExchange(vhost: string, exchange: string): BrokerError {
  return new BrokerError('not-found', `no exchange '${exchange}' in vhost '${vhost}'`);
}

function internalExchange(vhost: string, exchange: string): BrokerError {
  return new BrokerError('access-refused', `cannot publish to internal exchange '${exchange}' in vhost '${vhost}'`);
}
