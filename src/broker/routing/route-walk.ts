import { decodeTable } from '../../record/amqp/field-table.js';
import { headersOf } from '../../record/amqp/properties.js';
import { delayOf } from '../delay/delay-header.js';
import type { TopicEntry } from '../ports.js';
import type { HeaderSource } from './binding-types.js';
import type { BindingVisitor, BoundBinding, QueueTarget } from './bound-binding.js';
import { type HeaderValues, headerValues } from './header-values.js';
import type { ExchangeRoutes, VhostRoutes } from './vhost-routes.js';

const DELAYING = 'x-delayed-message';
const NO_HEADERS: HeaderValues = new Map();

/**
 * The way of one message through the exchanges of a virtual host, as RabbitMQ's rabbit_exchange:route: every exchange is visited once, and one
 * whose bindings do not match hands the message to its alternate exchange. One walk serves a router's life.
 */
export class RouteWalk implements BindingVisitor, HeaderSource {
  /** Whether headers decided something: then the route is this message's alone. */
  usedHeaders = false;
  /** Exchanges on the way that hold the message; a new list with every walk that has some. */
  held: string[] | undefined;
  private readonly find: (vhost: string, name: string) => TopicEntry | undefined;
  /** Number of the walk, by which exchanges and targets know that they were met before. */
  private walk = 0;
  private start: ExchangeRoutes | undefined;
  private vhost = '';
  private routes: VhostRoutes | undefined;
  private properties: Uint8Array | undefined;
  private headers: HeaderValues | undefined;
  private readonly waiting: ExchangeRoutes[] = [];
  private topics: TopicEntry[] = [];
  private matches = 0;

  constructor(find: (vhost: string, name: string) => TopicEntry | undefined) {
    this.find = find;
  }

  /** The topics that a message reaches from `source`; each of `keys` counts. The array is the caller's. */
  run(
    vhost: string,
    routes: VhostRoutes,
    source: ExchangeRoutes,
    keys: readonly string[],
    properties: Uint8Array,
  ): TopicEntry[] {
    this.walk++;
    this.vhost = vhost;
    this.routes = routes;
    this.properties = properties;
    this.headers = undefined;
    this.usedHeaders = false;
    this.held = undefined;
    this.start = source;
    this.topics = [];
    this.waiting.length = 0;
    this.enter(source);
    for (let next = this.waiting.pop(); next !== undefined; next = this.waiting.pop()) this.visit(next, keys);
    this.properties = undefined;
    return this.topics;
  }

  private visit(exchange: ExchangeRoutes, keys: readonly string[]): void {
    if (exchange.entry.type === DELAYING && this.isHeldAt(exchange)) return;
    this.matches = 0;
    for (const key of keys) exchange.table.match(key, this, this);
    const { alternate } = exchange.entry;
    if (this.matches === 0 && alternate !== undefined) this.enter(this.routes?.exchanges.get(alternate));
  }

  /** Where a walk begins nothing is held: its publisher has seen to that, or the time of the message has come. */
  private isHeldAt(exchange: ExchangeRoutes): boolean {
    if (exchange === this.start) return false;
    this.usedHeaders = true;
    if (this.properties === undefined || delayOf(this.properties) === 0) return false;
    this.held ??= [];
    this.held.push(exchange.entry.name);
    return true;
  }

  private enter(exchange: ExchangeRoutes | undefined): void {
    if (exchange === undefined || exchange.walk === this.walk) return;
    exchange.walk = this.walk;
    this.waiting.push(exchange);
  }

  /** @internal Called by binding tables. */
  matched(bound: BoundBinding): void {
    this.matches++;
    const { target } = bound;
    if (target === undefined) {
      this.enter(this.routes?.exchanges.get(bound.binding.destination));
    } else if (target.walk !== this.walk) {
      target.walk = this.walk;
      this.reach(target);
    }
  }

  private reach(target: QueueTarget): void {
    if (target.topic === null) target.topic = this.find(this.vhost, target.name);
    if (target.topic !== undefined) this.topics.push(target.topic);
  }

  /** @internal Called by tables of headers exchanges. */
  values(): HeaderValues {
    this.usedHeaders = true;
    this.headers ??= messageHeaders(this.properties);
    return this.headers;
  }
}

/** The comparable headers in verified properties. */
export function messageHeaders(properties: Uint8Array | undefined): HeaderValues {
  const table = properties === undefined ? undefined : headersOf(properties);
  return table === undefined ? NO_HEADERS : headerValues(decodeTable(table));
}
