/** Why a message goes where it goes, for `duolog route test`. */
import { decodeTable, type FieldTable } from '../../record/amqp/field-table.js';
import type { Binding, ExchangeEntry, RouteMatch, RouteStep } from '../model.js';
import type { HeaderSource } from './binding-types.js';
import type { HeaderValues } from './header-values.js';
import { headersPattern } from './headers-table.js';
import { messageHeaders } from './route-walk.js';
import type { ExchangeRoutes, VhostRoutes } from './vhost-routes.js';

interface Stop {
  readonly exchange: ExchangeRoutes;
  readonly reachedBy: RouteStep['reachedBy'];
  readonly from: string;
}

/** The steps of a message from the exchange `start`, which exists. `exists` says whether there is a topic or queue of a name. */
export function explainRoute(
  routes: VhostRoutes,
  start: string,
  keys: readonly string[],
  properties: Uint8Array,
  exists: (name: string) => boolean,
): RouteStep[] {
  const values = messageHeaders(properties);
  const headers: HeaderSource = { values: () => values };
  const steps: RouteStep[] = [];
  const stops: Stop[] = [];
  const seen = new Set<string>();
  const enter = (name: string, reachedBy: RouteStep['reachedBy'], from: string): void => {
    const exchange = routes.exchanges.get(name);
    if (exchange === undefined || seen.has(name)) return;
    seen.add(name);
    stops.push({ exchange, reachedBy, from });
  };
  enter(start, 'publish', '');
  for (let stop = stops.shift(); stop !== undefined; stop = stops.shift()) {
    const step = start === '' ? namedStep(keys, exists) : stepAt(stop, keys, headers);
    steps.push(step);
    for (const { binding } of step.matches) {
      if (binding.destinationKind === 'exchange') enter(binding.destination, 'binding', step.exchange);
    }
    if (step.alternate !== undefined) enter(step.alternate, 'alternate', step.exchange);
  }
  return steps;
}

function namedStep(keys: readonly string[], exists: (name: string) => boolean): RouteStep {
  const matches: RouteMatch[] = [];
  for (const key of new Set(keys)) {
    if (!exists(key)) continue;
    const binding: Binding = {
      source: '',
      destination: key,
      destinationKind: 'queue',
      routingKey: key,
      arguments: new Uint8Array(0),
    };
    matches.push({ binding, key, reason: `the routing key is the name of "${key}"` });
  }
  const note =
    matches.length > 0
      ? 'The default exchange routes to what the key names.'
      : `No topic or queue has the name ${quoted(keys)}.`;
  return { exchange: '', type: 'direct', reachedBy: 'publish', from: '', matches, alternate: undefined, note };
}

function stepAt({ exchange, reachedBy, from }: Stop, keys: readonly string[], headers: HeaderSource): RouteStep {
  const { name, type } = exchange.entry;
  const found = new Map<Binding, RouteMatch>();
  for (const key of new Set(keys)) {
    exchange.table.match(key, headers, {
      matched: ({ binding }) => {
        if (!found.has(binding))
          found.set(binding, explainMatch(exchange.entry.routesAs, binding, key, headers.values()));
      },
    });
  }
  const matches = [...found.values()];
  const alternate = matches.length === 0 ? exchange.entry.alternate : undefined;
  const note = noteOn(exchange, matches.length, keys, alternate);
  return { exchange: name, type, reachedBy, from, matches, alternate, note };
}

function noteOn(
  exchange: ExchangeRoutes,
  matches: number,
  keys: readonly string[],
  alternate: string | undefined,
): string {
  const total = exchange.bindings.size;
  if (matches > 0) return `${matches} of ${total} bindings match.`;
  const nothing = total === 0 ? 'The exchange has no bindings' : `None of ${total} bindings matches ${quoted(keys)}`;
  return alternate === undefined
    ? `${nothing}.`
    : `${nothing}: its alternate exchange "${alternate}" gets the message.`;
}

function quoted(keys: readonly string[]): string {
  return keys.map((key) => `"${key}"`).join(', ');
}

function explainMatch(
  type: ExchangeEntry['routesAs'],
  binding: Binding,
  key: string,
  headers: HeaderValues,
): RouteMatch {
  switch (type) {
    case 'direct':
      return { binding, key, reason: `the binding key equals "${key}"` };
    case 'fanout':
      return { binding, key: '', reason: 'a fanout exchange passes everything on' };
    case 'topic':
      return { binding, key, reason: `the pattern "${binding.routingKey}" matches "${key}"` };
    case 'headers':
      return { binding, key: '', reason: headersReason(decodeTable(binding.arguments), headers) };
  }
}

function headersReason(table: FieldTable, headers: HeaderValues): string {
  const { any, conditions } = headersPattern(table);
  if (conditions.length === 0) return 'the binding asks for no header';
  const met = conditions.filter(([name, wanted]) => {
    const value = headers.get(name);
    return value !== undefined && (wanted === undefined || wanted === value);
  });
  const names = met.map(([name, wanted]) => (wanted === undefined ? `"${name}" is there` : `"${name}" is equal`));
  return `${any ? 'at least one header' : 'every header'} that is asked for matches: ${names.join(', ')}`;
}
