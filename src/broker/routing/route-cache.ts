import type { Destinations } from './destinations.js';
import { CACHE_GENERATION_WEIGHT, ROUTE_WEIGHT } from './limits.js';

/** A route as it was found at `time` of the router's clock of changes. */
interface CachedRoute {
  readonly destinations: Destinations;
  readonly time: number;
}

type Generation = Map<object, Map<string, CachedRoute>>;

/**
 * Routes by exchange and routing key, unroutable ones included. Two generations, so that what is used stays without any order being kept:
 * when the young one is full it becomes the old one, and what was only in the old one goes.
 */
export class RouteCache {
  private readonly generationWeight: number;
  private young: Generation = new Map();
  private old: Generation = new Map();
  private weight = 0;

  constructor(generationWeight: number = CACHE_GENERATION_WEIGHT) {
    this.generationWeight = generationWeight;
  }

  /** The route of `exchange` and `routingKey` unless it is older than `changedAt`. */
  get(exchange: object, routingKey: string, changedAt: number): Destinations | undefined {
    const young = this.young.get(exchange)?.get(routingKey);
    if (young !== undefined) return young.time >= changedAt ? young.destinations : undefined;
    const old = this.old.get(exchange)?.get(routingKey);
    if (old === undefined || old.time < changedAt) return undefined;
    this.set(exchange, routingKey, old.destinations, old.time);
    return old.destinations;
  }

  /** Keeps a route that was found at `time`. */
  set(exchange: object, routingKey: string, destinations: Destinations, time: number): void {
    this.weight += ROUTE_WEIGHT + destinations.topics.length;
    if (this.weight > this.generationWeight) {
      this.old = this.young;
      this.young = new Map();
      this.weight = ROUTE_WEIGHT + destinations.topics.length;
    }
    let routes = this.young.get(exchange);
    if (routes === undefined) {
      routes = new Map();
      this.young.set(exchange, routes);
    }
    routes.set(routingKey, { destinations, time });
  }

  /** Forgets an exchange. */
  delete(exchange: object): void {
    this.young.delete(exchange);
    this.old.delete(exchange);
  }
}
