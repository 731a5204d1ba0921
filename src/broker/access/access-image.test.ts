import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { Catalog } from '../catalog.js';
import { readAccessChange, writeAccessChange } from './access-changes.js';
import { AccessImage } from './access-image.js';
import type { AccessChange, JsonObject, JsonValue, UserEntry } from './model.js';

const name = fc.constantFrom('a', 'b', 'c', '', 'ü');
const bytes = fc.uint8Array({ minLength: 0, maxLength: 64 });
const json = fc.dictionary(
  fc.constantFrom('max-length', 'x', '__proto'),
  // JSON has one zero.
  fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as JsonValue),
) as fc.Arbitrary<JsonObject>;
const verifier = fc.oneof(
  fc.record({
    kind: fc.constantFrom('scram-sha-256' as const, 'scram-sha-512' as const),
    iterations: fc.nat(),
    salt: bytes,
    storedKey: bytes,
    serverKey: bytes,
  }),
  fc.record({ kind: fc.constantFrom('rabbit-sha256' as const, 'rabbit-md5' as const), hash: bytes }),
);
const user: fc.Arbitrary<UserEntry> = fc.record({
  name,
  tags: fc.array(fc.string(), { maxLength: 3 }),
  verifiers: fc.array(verifier, { maxLength: 2 }),
  passwordVersion: fc.nat(),
});
const vhost = fc.constantFrom('/', 'v');
/** Changes that need nothing to be there before. */
const change: fc.Arbitrary<AccessChange> = fc.oneof(
  fc.constant<AccessChange>({ kind: 'seeded' }),
  fc.record({ kind: fc.constant('put-user' as const), user }),
  fc.record({ kind: fc.constant('clear-permission' as const), user: name, vhost }),
  fc.record({ kind: fc.constant('clear-topic-permission' as const), user: name, vhost, exchange: name }),
  fc.record({
    kind: fc.constant('set-policy' as const),
    policy: fc.record({
      operator: fc.boolean(),
      vhost,
      name,
      pattern: fc.string(),
      applyTo: fc.constantFrom('all' as const, 'queues' as const, 'streams' as const),
      priority: fc.integer(),
      definition: json,
    }),
  }),
  fc.record({ kind: fc.constant('clear-policy' as const), operator: fc.boolean(), vhost, name }),
  fc.record({
    kind: fc.constant('set-vhost-limits' as const),
    vhost,
    limits: fc.oneof(fc.constant({}), fc.record({ 'max-queues': fc.integer(), 'max-connections': fc.integer() })),
  }),
  fc.record({
    kind: fc.constant('set-user-limits' as const),
    user: name,
    limits: fc.oneof(fc.constant({}), fc.record({ 'max-channels': fc.integer() })),
  }),
  fc.record({
    kind: fc.constant('set-vhost-metadata' as const),
    vhost,
    metadata: fc.oneof(
      fc.record({ description: fc.string(), tags: fc.array(fc.string(), { maxLength: 2 }) }),
      fc.record({
        description: fc.string(),
        tags: fc.constant([]),
        defaultQueueType: fc.constantFrom('quorum' as const, 'stream' as const),
      }),
    ),
  }),
  fc.record({
    kind: fc.constant('set-parameter' as const),
    parameter: fc.oneof(
      fc.record({ vhost, component: name, name, value: json }),
      fc.record({ component: fc.constant(''), name, value: json }),
    ),
  }),
  fc.record({ kind: fc.constant('clear-parameter' as const), vhost, component: name, name }),
);
/** With permissions of users who are made first. */
const changes = fc
  .tuple(fc.array(change, { maxLength: 20 }), fc.array(fc.tuple(vhost, fc.string(), fc.string()), { maxLength: 5 }))
  .map(([plain, permissions]): AccessChange[] => [
    ...plain,
    ...permissions.flatMap(([of, write, read], index): AccessChange[] => {
      const owner = `user ${index % 2}`;
      const entry = { user: owner, vhost: of, write, read };
      return [
        { kind: 'put-user', user: { name: owner, tags: [], verifiers: [], passwordVersion: 1 } },
        { kind: 'set-permission', permission: { ...entry, configure: '' } },
        { kind: 'set-topic-permission', permission: { ...entry, exchange: `x${index}` } },
      ];
    }),
  ]);

function encode(one: AccessChange): Uint8Array {
  const writer = new ByteWriter();
  writeAccessChange(writer, one);
  return writer.copy();
}

function imageOf(list: readonly AccessChange[]): AccessImage {
  const image = new AccessImage();
  for (const one of list) image.apply(one, undefined);
  return image;
}

/** What is in an image, in no order. */
function contentOf(image: AccessImage): string[] {
  return image
    .asChanges()
    .map((one) => Buffer.from(encode(one)).toString('hex'))
    .sort();
}

describe('changes', () => {
  test('are the same after writing and reading', () => {
    fc.assert(
      fc.property(change, (one) => {
        const reader = new ByteReader(encode(one));
        expect(readAccessChange(reader)).toEqual(one);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  test('that are cut short are refused at every byte', () => {
    fc.assert(
      fc.property(change, (one) => {
        const whole = encode(one);
        for (let end = 0; end < whole.length; end++) {
          expect(() => readAccessChange(new ByteReader(whole.slice(0, end)))).toThrow(DecodeError);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('of an unknown kind, limit or flag are refused', () => {
    for (const wrong of [[0], [15], [255], [8, 2], [10, 1, 47, 1, 9, 0], [2, 1, 97, 33]]) {
      expect(() => readAccessChange(new ByteReader(Uint8Array.from(wrong)))).toThrow(DecodeError);
    }
  });
});

describe('the image', () => {
  test('is made anew by its own changes', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const image = imageOf(list);
        expect(contentOf(imageOf(image.asChanges()))).toEqual(contentOf(image));
        expect(imageOf(image.asChanges()).textSize).toBe(image.textSize);
      }),
    );
  });

  test('is as before when changes are taken back', () => {
    fc.assert(
      fc.property(changes, changes, (before, after) => {
        const image = imageOf(before);
        const was = contentOf(image);
        const size = image.textSize;
        const undo: (() => void)[] = [];
        for (const one of after) image.apply(one, undo);
        for (const step of undo.reverse()) step();
        expect(contentOf(image)).toEqual(was);
        expect(image.textSize).toBe(size);
      }),
    );
  });

  test('is a part of the catalog and of its snapshot', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const catalog = new Catalog();
        catalog.apply(1, { kind: 'create-vhost', vhost: 'v' });
        for (const [index, one] of list.entries()) catalog.apply(index + 2, { kind: 'access', change: one });
        const again = new Catalog();
        again.restore(catalog.snapshot());
        expect(contentOf(again.access)).toEqual(contentOf(catalog.access));
      }),
      { numRuns: 50 },
    );
  });

  test('refuses to lose a user who has something left, or a virtual host', () => {
    const one: UserEntry = { name: 'ann', tags: [], verifiers: [], passwordVersion: 1 };
    const permission = { user: 'ann', vhost: '/', configure: '', write: '', read: '' };
    const image = imageOf([
      { kind: 'put-user', user: one },
      { kind: 'set-permission', permission },
    ]);
    expect(() => image.apply({ kind: 'delete-user', name: 'ann' }, undefined)).toThrow(/something is his/);
    expect(() =>
      image.apply({ kind: 'set-permission', permission: { ...permission, user: 'bob' } }, undefined),
    ).toThrow(/bob/);
    expect(image.isAbout('/')).toBe(true);
    for (const clearing of image.clearingsOf('/')) image.apply(clearing, undefined);
    expect(image.isAbout('/')).toBe(false);
  });
});
