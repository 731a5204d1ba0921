import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeTable } from '../../record/amqp/field-table.js';
import { EMPTY_PROPERTIES } from '../../record/amqp/properties.js';
import type { Binding, ExchangeEntry } from '../model.js';
import { bindingKey } from './bound-binding.js';
import { exchangeOf, propertiesWith, RoutingWorld, text, texts, toExchange, toQueue } from './fixtures.js';
import { headerValues } from './header-values.js';
import { RouteCache } from './route-cache.js';
import { messageHeaders } from './route-walk.js';
import { Router } from './router.js';

/** Routing as one would write it without a thought of speed: every binding is tried against every key. */
class DumbRouter {
  readonly exchanges = new Map<string, ExchangeEntry>();
  readonly bindings = new Map<string, Binding>();
  readonly topics = new Set<string>();

  route(exchange: string, keys: readonly string[], properties: Uint8Array): string[] {
    if (exchange === '') return [...this.topics].filter((name) => keys.includes(name)).sort();
    const found = new Set<string>();
    const seen = new Set<string>();
    const visit = (name: string): void => {
      const entry = this.exchanges.get(name);
      if (entry === undefined || seen.has(name)) return;
      seen.add(name);
      const matching = [...this.bindings.values()].filter(
        (binding) => binding.source === name && keys.some((key) => this.matches(entry, binding, key, properties)),
      );
      for (const { destination, destinationKind } of matching) {
        if (destinationKind === 'exchange') visit(destination);
        else if (this.topics.has(destination)) found.add(destination);
      }
      if (matching.length === 0 && entry.alternate !== undefined) visit(entry.alternate);
    };
    visit(exchange);
    return [...found].sort();
  }

  private matches(entry: ExchangeEntry, binding: Binding, key: string, properties: Uint8Array): boolean {
    switch (entry.routesAs) {
      case 'fanout':
        return true;
      case 'direct':
        return binding.routingKey === key;
      case 'topic':
        return topicMatches(wordsOf(binding.routingKey), wordsOf(key));
      case 'headers':
        return headersMatch(binding, properties);
    }
  }
}

function wordsOf(key: string): string[] {
  return key === '' ? [] : key.split('.');
}

function topicMatches([first, ...rest]: string[], words: string[]): boolean {
  if (first === undefined) return words.length === 0;
  if (first !== '#')
    return words.length > 0 && (first === '*' || first === words[0]) && topicMatches(rest, words.slice(1));
  return words.some((_, index) => topicMatches(rest, words.slice(index))) || topicMatches(rest, []);
}

function headersMatch(binding: Binding, properties: Uint8Array): boolean {
  const wanted = [...headerValues(decodeTable(binding.arguments))].filter(([name]) => name !== 'x-match');
  const given = messageHeaders(properties);
  const met = ([name, value]: [string, string]): boolean => given.get(name) === value;
  return decodeTable(binding.arguments).has('x-match') ? wanted.some(met) : wanted.every(met);
}

type Step = (real: RoutingWorld, model: DumbRouter) => void;

const EXCHANGES = ['d', 'f', 't', 'h', 'd2', 't2', 'x'];
const TYPES = ['direct', 'fanout', 'topic', 'headers'] as const;
const QUEUES = ['q1', 'q2', 'q3', 'q4'];

const anyExchange = fc.constantFrom(...EXCHANGES);
const anyQueue = fc.constantFrom(...QUEUES);
const pattern = fc.array(fc.constantFrom('a', 'b', '*', '#', ''), { maxLength: 4 }).map((words) => words.join('.'));
const key = fc.oneof(
  { weight: 5, arbitrary: fc.array(fc.constantFrom('a', 'b', ''), { maxLength: 4 }).map((words) => words.join('.')) },
  { weight: 1, arbitrary: fc.constantFrom('*', '#', 'q1') },
);
const fields = fc.dictionary(fc.constantFrom('k1', 'k2', 'k3'), fc.constantFrom('1', '2').map(text), { maxKeys: 2 });

const anyBinding: fc.Arbitrary<Binding> = fc.oneof(
  fc
    .record({ source: anyExchange, queue: anyQueue, pattern, fields, any: fc.boolean() })
    .map((from) =>
      toQueue(
        from.source,
        from.queue,
        from.pattern,
        from.any ? { ...from.fields, 'x-match': text('any') } : from.fields,
      ),
    ),
  fc
    .tuple(anyExchange, anyExchange, pattern)
    .map(([source, destination, routingKey]) => toExchange(source, destination, routingKey)),
);

function unbindAll(real: RoutingWorld, model: DumbRouter, wanted: (binding: Binding) => boolean): void {
  for (const binding of [...model.bindings.values()].filter(wanted)) {
    model.bindings.delete(bindingKey(binding) + binding.source);
    real.unbind(binding);
  }
}

const declareExchange: fc.Arbitrary<Step> = fc
  .tuple(anyExchange, fc.constantFrom(...TYPES), fc.option(anyExchange, { nil: undefined }))
  .map(([name, type, alternate]) => (real, model) => {
    const known = model.exchanges.get(name);
    // An exchange does not change its type while it is there, but its alternate may come by a policy.
    const entry = exchangeOf(name, known?.routesAs ?? type, alternate === undefined ? {} : { alternate });
    model.exchanges.set(name, entry);
    real.router.exchangeDeclared(entry);
  });

const deleteExchange: fc.Arbitrary<Step> = anyExchange.map((name) => (real, model) => {
  unbindAll(real, model, ({ source, destination, destinationKind }) => {
    return source === name || (destinationKind === 'exchange' && destination === name);
  });
  if (model.exchanges.delete(name)) real.router.exchangeDeleted('/', name);
});

const bind: fc.Arbitrary<Step> = anyBinding.map((binding) => (real, model) => {
  if (!model.exchanges.has(binding.source)) return;
  model.bindings.set(bindingKey(binding) + binding.source, binding);
  real.bind(binding);
});

const unbind: fc.Arbitrary<Step> = fc.nat().map((place) => (real, model) => {
  const bindings = [...model.bindings.values()];
  const chosen = bindings[place % Math.max(1, bindings.length)];
  unbindAll(real, model, (binding) => binding === chosen);
});

const declareQueue: fc.Arbitrary<Step> = anyQueue.map((name) => (real, model) => {
  model.topics.add(name);
  real.declare(name);
});

const deleteQueue: fc.Arbitrary<Step> = fc
  .tuple(anyQueue, fc.boolean())
  .map(([name, withBindings]) => (real, model) => {
    // The catalog unbinds first; the router must hold when it does not.
    if (withBindings) unbindAll(real, model, ({ destination }) => destination === name);
    model.topics.delete(name);
    real.delete(name);
  });

const anyCopies = fc.option(fc.array(key, { maxLength: 2 }), { nil: undefined, freq: 4 });

const route: fc.Arbitrary<Step> = fc
  .tuple(fc.oneof(anyExchange, fc.constant('')), key, fc.option(fields, { nil: undefined }), anyCopies)
  .map(([exchange, routingKey, headers, copies]) => (real, model) => {
    const all = copies === undefined ? headers : { ...headers, CC: texts(...copies) };
    const properties = all === undefined ? EMPTY_PROPERTIES : propertiesWith(all);
    if (exchange !== '' && !model.exchanges.has(exchange)) {
      expect(() => real.names(exchange, routingKey, properties)).toThrow('no exchange');
      return;
    }
    const wanted = model.route(exchange, [routingKey, ...(copies ?? [])], properties);
    expect(real.names(exchange, routingKey, properties)).toEqual(wanted);
    const steps = real.router.explain('/', exchange, routingKey, properties);
    const explained = steps.flatMap(({ matches }) => matches.map(({ binding }) => binding));
    const queues = explained.filter(({ destinationKind }) => destinationKind === 'queue');
    const reached = new Set(queues.map(({ destination }) => destination).filter((name) => model.topics.has(name)));
    expect([...reached].sort()).toEqual(wanted);
  });

const anyStep = fc.oneof(
  { weight: 3, arbitrary: declareExchange },
  { weight: 1, arbitrary: deleteExchange },
  { weight: 6, arbitrary: bind },
  { weight: 2, arbitrary: unbind },
  { weight: 2, arbitrary: declareQueue },
  { weight: 1, arbitrary: deleteQueue },
  { weight: 12, arbitrary: route },
);

describe('the router', () => {
  it.each([
    ['with its cache', undefined],
    ['with a cache that is always full', 40],
  ])('agrees with a dumb one, %s', (_name, cacheWeight) => {
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 20, maxLength: 120, size: 'max' }), (steps) => {
        const real = new RoutingWorld(cacheWeight === undefined ? undefined : new RouteCache(cacheWeight));
        const model = new DumbRouter();
        EXCHANGES.slice(0, 4).forEach((name, index) => {
          const entry = exchangeOf(name, TYPES[index]!);
          model.exchanges.set(name, entry);
          real.router.exchangeDeclared(entry);
        });
        for (const name of QUEUES.slice(0, 3)) {
          model.topics.add(name);
          real.declare(name);
        }
        for (const step of steps) step(real, model);
      }),
      { numRuns: 400 },
    );
  });

  it('keeps nothing of what has gone', () => {
    const router = new Router(() => undefined);
    for (const type of TYPES) router.exchangeDeclared(exchangeOf(type, type));
    const bindings = TYPES.flatMap((type) => [
      toQueue(type, 'q', 'a.*.b.#'),
      toQueue(type, 'q', 'a.*'),
      toQueue(type, 'p', '', { k: text('1') }),
    ]);
    const before = JSON.stringify(router, shape);
    for (const binding of bindings) router.bound('/', binding);
    expect(JSON.stringify(router, shape)).not.toBe(before);
    for (const binding of bindings.reverse()) router.unbound('/', binding);
    expect(JSON.stringify(router, shape)).toBe(before);
  });
});

/** Maps as arrays; without what counts the time and what leads upwards. */
function shape(name: string, value: unknown): unknown {
  if (name === 'time' || name === 'changedAt' || name === 'parent') return undefined;
  // A map that had entries is as good as none.
  if (value instanceof Map) return value.size === 0 ? undefined : [...value];
  return value;
}
