/** The exchanges that every virtual host has from its beginning, and that nobody declares, deletes or writes. */
import type { ExchangeEntry } from '../model.js';

const NO_ARGUMENTS = new Uint8Array(0);

const TYPES = new Map<string, ExchangeEntry['routesAs']>([
  ['', 'direct'],
  ['amq.direct', 'direct'],
  ['amq.fanout', 'fanout'],
  ['amq.topic', 'topic'],
  ['amq.headers', 'headers'],
  ['amq.match', 'headers'],
]);

/** Whether `name` is that of a predeclared exchange. */
export function isPredeclared(name: string): boolean {
  return TYPES.has(name);
}

/** The predeclared exchanges of one virtual host (AMQP 0-9-1 §3.1.3, and RabbitMQ's amq.headers). */
export function predeclaredExchanges(vhost: string): ExchangeEntry[] {
  return [...TYPES].map(([name, type]) => ({
    vhost,
    name,
    type,
    routesAs: type,
    durable: true,
    autoDelete: false,
    internal: false,
    alternate: undefined,
    arguments: NO_ARGUMENTS,
  }));
}
