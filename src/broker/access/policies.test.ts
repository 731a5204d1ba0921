import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeUtf8 } from '../../base/utf8.js';
import { encodeTable, type FieldValue } from '../../record/amqp/field-table.js';
import { Catalog, type MetadataChange } from '../catalog.js';
import type { ExchangeEntry } from '../model.js';
import { effectivePolicy, parseQueuePolicy } from '../queue-arguments.js';
import { AccessImage } from './access-image.js';
import type { JsonObject, PolicyEntry, PolicyTarget } from './model.js';
import { effectiveArguments, policiesFor } from './policies.js';
import { wrongDefinition } from './policy-definitions.js';

function policyOf(over: Partial<PolicyEntry>): PolicyEntry {
  return {
    operator: false,
    vhost: '/',
    name: 'p',
    pattern: '.*',
    applyTo: 'all',
    priority: 0,
    definition: {},
    ...over,
  };
}

function imageWith(...policies: Partial<PolicyEntry>[]): AccessImage {
  const image = new AccessImage();
  for (const policy of policies) image.apply({ kind: 'set-policy', policy: policyOf(policy) }, undefined);
  return image;
}

function table(values: Readonly<Record<string, string | number>>): Uint8Array {
  return encodeTable(
    new Map(
      Object.entries(values).map(([key, value]): [string, FieldValue] => [
        key,
        typeof value === 'number' ? { type: 'int32', value } : { type: 'longstr', value: encodeUtf8(value) },
      ]),
    ),
  );
}

function effective(image: AccessImage, declared: Readonly<Record<string, string | number>> = {}, name = 'q') {
  const encoded = table(declared);
  return parseQueuePolicy(effectiveArguments(image, '/', name, encoded) ?? encoded);
}

describe('which policy', () => {
  test('the highest priority that matches, of either kind', () => {
    const image = imageWith(
      { name: 'low', priority: 1, definition: { 'max-length': 1 } },
      { name: 'high', priority: 5, pattern: '^q', definition: { 'max-length': 2 } },
      { name: 'other', priority: 9, pattern: '^x', definition: { 'max-length': 3 } },
      { name: 'op', operator: true, priority: -1, definition: { expires: 9 } },
      { name: 'elsewhere', vhost: 'v', priority: 99, definition: { 'max-length': 4 } },
    );
    const found = policiesFor(image, '/', 'classic', 'q1');
    expect([found?.policy?.name, found?.operatorPolicy?.name]).toEqual(['high', 'op']);
    expect(found?.definition).toEqual({ 'max-length': 2, expires: 9 });
    expect(policiesFor(image, '/', 'classic', 'y')?.policy?.name).toBe('low');
    expect(policiesFor(image, 'w', 'classic', 'q1')).toBeUndefined();
  });

  test('one with keys that a type of queue does not know is for none of that type', () => {
    const image = imageWith({ definition: { 'delivery-limit': 3 } });
    expect(policiesFor(image, '/', 'classic', 'q')).toBeUndefined();
    expect(policiesFor(image, '/', 'quorum', 'q')?.definition).toEqual({ 'delivery-limit': 3 });
    expect(policiesFor(image, '/', 'exchange', 'q')?.definition).toEqual({ 'delivery-limit': 3 });
  });

  test('as a dumb model says', () => {
    const target = fc.constantFrom<PolicyTarget>(
      'all',
      'queues',
      'exchanges',
      'classic_queues',
      'quorum_queues',
      'streams',
    );
    const policy = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      operator: fc.boolean(),
      pattern: fc.constantFrom('', '^a', 'b$', '^ab$', 'a.b', '(a|b)', '^(?!a)'),
      applyTo: target,
      priority: fc.integer({ min: -2, max: 2 }),
      definition: fc.dictionary(
        fc.constantFrom('max-length', 'expires', 'message-ttl'),
        fc.integer({ min: 1, max: 5 }),
        { minKeys: 1 },
      ) as fc.Arbitrary<JsonObject>,
    });
    const subject = fc.constantFrom('classic' as const, 'quorum' as const, 'exchange' as const);
    const name = fc.string({ unit: fc.constantFrom('a', 'b', 'x'), maxLength: 4 });
    fc.assert(
      fc.property(fc.array(policy, { maxLength: 6 }), subject, name, (policies, kind, of) => {
        const image = imageWith(...policies);
        const last = new Map(policies.map((one) => [`${one.operator}${one.name}`, one]));
        const best = (operator: boolean) => {
          let found: (typeof policies)[number] | undefined;
          for (const one of last.values()) {
            const fits = {
              classic: ['all', 'queues', 'classic_queues'],
              quorum: ['all', 'queues', 'quorum_queues'],
              exchange: ['all', 'exchanges'],
            };
            if (one.operator !== operator || !fits[kind].includes(one.applyTo) || !new RegExp(one.pattern).test(of))
              continue;
            const isBetter =
              found === undefined ||
              one.priority > found.priority ||
              (one.priority === found.priority && one.name < found.name);
            if (isBetter) found = one;
          }
          return found;
        };
        const found = policiesFor(image, '/', kind, of);
        expect(found?.policy?.name).toBe(best(false)?.name);
        expect(found?.operatorPolicy?.name).toBe(best(true)?.name);
        for (const key of ['max-length', 'expires', 'message-ttl']) {
          const values = [best(false), best(true)].flatMap((one) => (one?.definition[key] as number | undefined) ?? []);
          expect(found?.definition[key]).toBe(values.length === 0 ? undefined : Math.min(...values));
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('what it makes of a queue', () => {
  test('numbers: the smallest of policy, operator policy and argument', () => {
    const image = imageWith(
      { definition: { 'max-length': 10, 'message-ttl': 500 } },
      { operator: true, definition: { 'max-length': 20, expires: 1000 } },
    );
    expect(effective(image)).toMatchObject({ maxLength: 10, messageTtlMs: 500, expiresMs: 1000 });
    expect(effective(image, { 'x-max-length': 5, 'x-message-ttl': 900 })).toMatchObject({
      maxLength: 5,
      messageTtlMs: 500,
    });
    expect(effective(image, { 'x-max-length': 15 })).toMatchObject({ maxLength: 10 });
  });

  test('texts: the argument before the policy; the operator before the policy', () => {
    const definition = { 'dead-letter-exchange': 'dlx', 'dead-letter-routing-key': 'key', overflow: 'reject-publish' };
    const image = imageWith({ definition });
    expect(effective(image)).toMatchObject({
      deadLetterExchange: 'dlx',
      deadLetterRoutingKey: 'key',
      overflow: 'reject-publish',
    });
    const own = { 'x-dead-letter-exchange': 'mine', 'x-overflow': 'drop-head' };
    expect(effective(image, own)).toMatchObject({ deadLetterExchange: 'mine', overflow: 'drop-head' });
    const operator = imageWith({ definition }, { operator: true, definition: { overflow: 'drop-head' } });
    expect(effective(operator).overflow).toBe('drop-head');
  });

  test('a quorum queue: the overflow of the policy, and the stricter delivery limit', () => {
    const image = imageWith({ definition: { overflow: 'reject-publish', 'delivery-limit': 7 } });
    const declared = { 'x-queue-type': 'quorum', 'x-overflow': 'drop-head' };
    expect(effective(image, declared)).toMatchObject({ overflow: 'reject-publish', deliveryLimit: 7 });
    expect(effective(image, { ...declared, 'x-delivery-limit': 3 }).deliveryLimit).toBe(3);
    expect(effective(image, { ...declared, 'x-delivery-limit': -1 }).deliveryLimit).toBe(7);
  });

  test('nothing where nothing matches', () => {
    expect(effectiveArguments(imageWith(), '/', 'q', table({}))).toBeUndefined();
    const image = imageWith(
      { pattern: '^x', definition: { 'max-length': 1 } },
      { name: 'ha', definition: { 'ha-mode': 'all' } },
    );
    expect(effectiveArguments(image, '/', 'q', table({ 'x-max-length': 5 }))).toBeUndefined();
  });
});

describe('the catalog', () => {
  const queue: MetadataChange = {
    kind: 'create-topic',
    topic: {
      name: 'q',
      topicId: 1,
      partitions: [{ partition: 0, logId: 1, slot: 0 }],
      settings: {
        kind: 'queue',
        durability: 2,
        retentionMs: -1,
        retentionBytes: -1,
        segmentBytes: 1 << 20,
        segmentMs: -1,
        lingerMs: 0,
        queue: { durable: true, autoDelete: false, exclusiveOwner: '', arguments: table({ 'x-max-length': 9 }) },
      },
    },
  };
  const exchange: ExchangeEntry = {
    vhost: '/',
    name: 'x',
    type: 'direct',
    routesAs: 'direct',
    durable: true,
    autoDelete: false,
    internal: false,
    alternate: undefined,
    arguments: new Uint8Array(0),
  };
  const policy = (definition: JsonObject): MetadataChange => ({
    kind: 'access',
    change: { kind: 'set-policy', policy: policyOf({ definition }) },
  });
  const clearing: MetadataChange = {
    kind: 'access',
    change: { kind: 'clear-policy', operator: false, vhost: '/', name: 'p' },
  };

  test('gives queues and exchanges what policies say, whichever came first, tells listeners, and keeps it through a snapshot', () => {
    for (const policyFirst of [true, false]) {
      const catalog = new Catalog();
      const heard: string[] = [];
      const rules = policy({ 'max-length': 3, 'alternate-exchange': 'amq.fanout' });
      const made: MetadataChange[] = [queue, { kind: 'create-exchange', exchange }];
      catalog.applyStep(1, policyFirst ? [rules, ...made] : [...made, rules]);
      catalog.listen({
        exchangeDeclared: ({ name, alternate }) => name === 'x' && heard.push(`x ${alternate}`),
        exchangeDeleted: () => {},
        bound: () => {},
        unbound: () => {},
        topicChanged: (_vhost, name) => heard.push(name),
        accessChanged: () => heard.push('access'),
      });
      const facts = (of: Catalog) => [
        effectivePolicy(of.topic('q')!.settings).maxLength,
        of.exchange('/', 'x')?.alternate,
      ];
      expect(facts(catalog)).toEqual([3, 'amq.fanout']);
      const again = new Catalog();
      again.restore(catalog.snapshot());
      expect(facts(again)).toEqual([3, 'amq.fanout']);
      expect(heard).toEqual(['x amq.fanout']);
      catalog.apply(2, policy({ 'max-length': 3 }));
      catalog.apply(3, clearing);
      expect(facts(catalog)).toEqual([9, undefined]);
      expect(heard.slice(1)).toEqual(['x undefined', 'access', 'q', 'access']);
    }
  });

  test('takes all of that back', () => {
    const catalog = new Catalog();
    catalog.applyStep(1, [queue, { kind: 'create-exchange', exchange }]);
    const before = [catalog.topic('q'), catalog.exchange('/', 'x')];
    catalog.trial((apply) => {
      apply([policy({ 'max-length': 3, 'alternate-exchange': 'y' })]);
      expect(catalog.topic('q')).not.toBe(before[0]);
    });
    expect([catalog.topic('q'), catalog.exchange('/', 'x')]).toEqual(before);
    expect(catalog.access.policyCount).toBe(0);
  });
});

test.each([
  [{}, false, 'no policy provided'],
  [{ 'max-length': -1 }, false, '-1 is not a valid maximum length'],
  [{ 'max-length': '5' }, false, '<<"5">> is not a valid maximum length'],
  [{ overflow: 'no' }, false, '<<"no">> is not a valid overflow value'],
  [{ nonsense: true }, false, '[{<<"nonsense">>,true}] are not recognised policy settings'],
  [{ 'alternate-exchange': 'x' }, true, '[{<<"alternate-exchange">>,<<"x">>}] are not recognised policy settings'],
  [{ 'max-length': 5, 'ha-mode': 'all', 'queue-mode': 'lazy' }, false, undefined],
  [{ 'max-length': 5, expires: 1 }, true, undefined],
])('the definition %j of a policy (operator: %s): %s', (definition, operator, wrong) => {
  expect(wrongDefinition(definition, operator)).toBe(wrong);
});
