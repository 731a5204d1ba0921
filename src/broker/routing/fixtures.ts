import { encodeUtf8 } from '../../base/utf8.js';
import { encodeTable, type FieldTable, type FieldValue } from '../../record/amqp/field-table.js';
import { type BasicProperties, encodeProperties } from '../../record/amqp/properties.js';
import type { Binding, ExchangeEntry } from '../model.js';
import type { TopicEntry } from '../ports.js';
import type { Destinations } from './destinations.js';
import type { RouteCache } from './route-cache.js';
import { Router } from './router.js';

/** A long string. */
export function text(value: string): FieldValue {
  return { type: 'longstr', value: encodeUtf8(value) };
}

/** An array of long strings. */
export function texts(...values: readonly string[]): FieldValue {
  return { type: 'array', value: values.map(text) };
}

/** A table from an object. */
export function tableOf(fields: Readonly<Record<string, FieldValue>>): FieldTable {
  return new Map(Object.entries(fields));
}

/** Encoded properties with these headers. */
export function propertiesWith(headers: Readonly<Record<string, FieldValue>>, rest: BasicProperties = {}): Uint8Array {
  return encodeProperties({ ...rest, headers: tableOf(headers) });
}

/** An exchange of the virtual host "/". */
export function exchangeOf(
  name: string,
  routesAs: ExchangeEntry['routesAs'],
  rest: Partial<Pick<ExchangeEntry, 'type' | 'alternate' | 'internal' | 'vhost'>> = {},
): ExchangeEntry {
  const { type = routesAs, alternate, internal = false, vhost = '/' } = rest;
  const none = new Uint8Array(0);
  return { vhost, name, type, routesAs, durable: true, autoDelete: false, internal, alternate, arguments: none };
}

/** A binding to a queue. */
export function toQueue(
  source: string,
  destination: string,
  routingKey = '',
  fields: Readonly<Record<string, FieldValue>> = {},
): Binding {
  return { source, destination, destinationKind: 'queue', routingKey, arguments: encodeTable(tableOf(fields)) };
}

/** A binding to an exchange. */
export function toExchange(source: string, destination: string, routingKey = ''): Binding {
  return { ...toQueue(source, destination, routingKey), destinationKind: 'exchange' };
}

/** A router with topics that are declared by name alone, in the virtual host "/". */
export class RoutingWorld {
  readonly topics = new Map<string, TopicEntry>();
  /** How often the router looked for a topic. */
  lookups = 0;
  readonly router: Router;
  private nextId = 1;

  constructor(cache?: RouteCache) {
    this.router = new Router((vhost, name) => {
      this.lookups++;
      return vhost === '/' ? this.topics.get(name) : undefined;
    }, cache);
  }

  /** Declares topics, or replaces them by others of the same name. */
  declare(...names: readonly string[]): void {
    for (const name of names) {
      // The router hands topics on and never looks at their settings.
      const settings = {} as TopicEntry['settings'];
      this.topics.set(name, { name, topicId: this.nextId++, settings, partitions: [] });
      this.router.topicChanged('/', name);
    }
  }

  delete(name: string): void {
    this.topics.delete(name);
    this.router.topicChanged('/', name);
  }

  bind(...bindings: readonly Binding[]): void {
    for (const binding of bindings) this.router.bound('/', binding);
  }

  unbind(binding: Binding): void {
    this.router.unbound('/', binding);
  }

  route(exchange: string, routingKey: string, properties: Uint8Array = encodeProperties({})): Destinations {
    return this.router.route('/', exchange, routingKey, properties);
  }

  /** Names of the topics that a message reaches, sorted; duplicates would show. */
  names(exchange: string, routingKey: string, properties?: Uint8Array): string[] {
    return this.route(exchange, routingKey, properties)
      .topics.map(({ name }) => name)
      .sort();
  }
}
