/** The sentences are those of RabbitMQ 3.10.8, as its source has them; `npm run diff` compares those that its sequences reach. */
import { describe, expect, test } from 'vitest';
import { encodeTable, type FieldValue } from '../record/amqp/field-table.js';
import { Catalog, type MetadataChange } from './catalog.js';
import {
  bindingChanges,
  exchangeDeclarationChanges,
  exchangeDeletionChanges,
  queueToDelete,
  unbindingChanges,
  validateDeclaration,
} from './declarations.js';
import { BrokerError } from './errors.js';
import type { Binding, ExchangeDeclaration, QueueDeclaration } from './model.js';

const NONE = new Uint8Array(0);
const text = (value: string): FieldValue => ({ type: 'longstr', value: new TextEncoder().encode(value) });
const int = (value: number): FieldValue => ({ type: 'int32', value });
const yes: FieldValue = { type: 'boolean', value: true };

type Table = Record<string, FieldValue>;
type QueueOver = Partial<QueueDeclaration> & { table?: Table; passive?: boolean; vhost?: string };
type ExchangeOver = Partial<ExchangeDeclaration> & { table?: Table };

function table(fields: Table): Uint8Array {
  return encodeTable(new Map(Object.entries(fields)));
}

/** With names that a report can show. */
function cases(pairs: readonly [Table, string][]) {
  return pairs.map(([fields, expected]) => ({ name: `${Object.keys(fields)}${expected}`, fields, expected }));
}

class World {
  readonly catalog = new Catalog();

  apply(changes: readonly MetadataChange[]): number {
    if (changes.length > 0) this.catalog.applyStep(this.catalog.version + 1, changes);
    return changes.length;
  }

  queue(name: string, over: QueueOver = {}): number {
    const { table: fields = {}, passive = false, vhost = '/', ...rest } = over;
    const flags = { durable: true, exclusive: false, autoDelete: false, connection: 'c1', shard: 0 };
    const queue = { ...flags, arguments: table(fields), ...rest };
    const settings = { kind: 'queue' } as const;
    return this.apply(
      validateDeclaration(this.catalog, {
        name,
        vhost,
        queue,
        partitions: 1,
        settings,
        passive,
        start: { at: 'beginning' },
      }),
    );
  }

  exchange(name: string, over: ExchangeOver = {}): number {
    const { table: fields = {}, ...rest } = over;
    const flags = { passive: false, durable: true, autoDelete: false, internal: false, arguments: table(fields) };
    return this.apply(
      exchangeDeclarationChanges(this.catalog, { vhost: '/', name, type: 'direct', ...flags, ...rest }),
    );
  }

  bind(source: string, destination: string, over: Partial<Binding> & { connection?: string } = {}): number {
    const { connection = 'c1', ...rest } = over;
    const binding = {
      source,
      destination,
      destinationKind: 'queue',
      routingKey: 'k',
      arguments: NONE,
      ...rest,
    } as const;
    return this.apply(bindingChanges(this.catalog, '/', binding, connection));
  }

  unbind(source: string, destination: string, over: Partial<Binding> = {}): number {
    const binding = {
      source,
      destination,
      destinationKind: 'queue',
      routingKey: 'k',
      arguments: NONE,
      ...over,
    } as const;
    return this.apply(unbindingChanges(this.catalog, '/', binding, 'c1'));
  }
}

/** Code and text of a refusal. */
function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof BrokerError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

const LOCKED =
  "resource-locked: cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.";

describe('queues of the RabbitMQ model', () => {
  test.each<[string, QueueOver, QueueOver, string]>([
    ['same', {}, {}, 'accepted'],
    [
      'durable',
      {},
      { durable: false },
      "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'",
    ],
    [
      'auto_delete',
      { autoDelete: true },
      {},
      "inequivalent arg 'auto_delete' for queue 'q' in vhost '/': received 'false' but current is 'true'",
    ],
    [
      'an argument more',
      {},
      { table: { 'x-max-length': int(1) } },
      "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received the value '1' of type 'signedint' but current is none",
    ],
    [
      'an argument less',
      { table: { 'x-dead-letter-exchange': text('dlx') } },
      {},
      "inequivalent arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': received none but current is the value 'dlx' of type 'longstr'",
    ],
    [
      'another value',
      { table: { 'x-max-length': int(1) } },
      { table: { 'x-max-length': int(2) } },
      "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received '2' but current is '1'",
    ],
    [
      'another width',
      { table: { 'x-max-length': int(1) } },
      { table: { 'x-max-length': { type: 'int64', value: 1n } } },
      'accepted',
    ],
    ['the type it has', {}, { table: { 'x-queue-type': text('classic') } }, 'accepted'],
    [
      'another type',
      {},
      { table: { 'x-queue-type': text('quorum') } },
      "inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received the value 'quorum' of type 'longstr' but current is none",
    ],
    ['what nobody knows', {}, { table: { 'x-mine': int(1) } }, 'accepted'],
  ])('declared again: %s', (_, first, second, expected) => {
    const world = new World();
    world.queue('q', first);
    const outcome = refusal(() => world.queue('q', second));
    expect(outcome).toBe(expected === 'accepted' ? expected : `precondition-failed: ${expected}`);
  });

  test.each(
    cases([
      [{ 'x-message-ttl': text('a') }, `: "expected integer, got longstr"`],
      [{ 'x-message-ttl': int(-1) }, ': {value_negative,-1}'],
      [{ 'x-message-ttl': { type: 'int64', value: 315_360_000_001n } }, ': {value_too_large,315360000001}'],
      [{ 'x-expires': int(0) }, ': {value_zero,0}'],
      [{ 'x-max-length': int(-5) }, ': {value_negative,-5}'],
      [{ 'x-max-priority': int(256) }, ': {max_value_exceeded,256}'],
      [{ 'x-overflow': text('drop') }, ': invalid_overflow'],
      [{ 'x-overflow': int(1) }, ': {unacceptable_type,signedint}'],
      [{ 'x-dead-letter-routing-key': text('k') }, ': routing_key_but_no_dlx_defined'],
      [{ 'x-queue-type': text('fast') }, `: "unsupported queue type 'fast'"`],
      [{ 'x-queue-type': yes }, ': {unacceptable_type,bool}'],
      [{ 'x-single-active-consumer': int(1) }, ': {unacceptable_type,signedint}'],
      [{ 'x-queue-mode': text('eager') }, `: "unsupported queue mode 'eager'"`],
      [{ 'x-max-age': text('1D') }, ' of queue type rabbit_classic_queue'],
      [{ 'x-delivery-limit': int(3) }, ' of queue type rabbit_classic_queue'],
    ]),
  )('refuse $name', ({ fields, expected }) => {
    const [key] = Object.keys(fields);
    const start = `precondition-failed: invalid arg '${key}' for queue 'q' in vhost '/'`;
    expect(refusal(() => new World().queue('q', { table: fields }))).toBe(start + expected);
  });

  test('of other types refuse what they cannot do', () => {
    const quorum = { 'x-queue-type': text('quorum') };
    const stream = { 'x-queue-type': text('stream') };
    const said = (over: QueueOver) => refusal(() => new World().queue('q', over)).replace('precondition-failed: ', '');
    const q = "queue 'q' in vhost '/'";
    expect(said({ table: { ...quorum, 'x-max-priority': int(3) } })).toBe(
      `invalid arg 'x-max-priority' for ${q} of queue type rabbit_quorum_queue`,
    );
    expect(said({ table: { ...stream, 'x-expires': int(3) } })).toBe(
      `invalid arg 'x-expires' for ${q} of queue type rabbit_stream_queue`,
    );
    expect(said({ table: { ...stream, 'x-max-age': text('7 days') } })).toBe(
      `invalid arg 'x-max-age' for ${q}: invalid_max_age`,
    );
    expect(said({ table: quorum, durable: false })).toBe(`invalid property 'non-durable' for ${q}`);
    expect(said({ table: quorum, exclusive: true })).toBe(`invalid property 'exclusive-owner' for ${q}`);
    expect(said({ table: stream, autoDelete: true })).toBe(`invalid property 'auto-delete' for ${q}`);
    expect(said({ table: { 'x-dead-letter-exchange': int(1) } })).toBe(
      `invalid type 'signedint' for arg 'x-dead-letter-exchange' in ${q}`,
    );
    expect(said({ table: { ...quorum, 'x-delivery-limit': int(3) } })).toBe('accepted');
    expect(said({ table: { ...stream, 'x-max-age': text('7D') } })).toBe('accepted');
  });

  test('that are exclusive are their connection’s alone, and not durable whatever was said', () => {
    const world = new World();
    world.queue('q', { exclusive: true });
    expect(refusal(() => world.queue('q', { exclusive: true }))).toBe('accepted');
    expect(refusal(() => world.queue('q', { exclusive: true, connection: 'c2' }))).toBe(LOCKED);
    expect(refusal(() => world.queue('q'))).toBe(LOCKED);
    expect(refusal(() => world.queue('q', { passive: true }))).toBe('accepted');
    expect(refusal(() => world.queue('q', { passive: true, connection: 'c2' }))).toBe(LOCKED);
    expect(refusal(() => world.bind('amq.direct', 'q', { connection: 'c2' }))).toBe(LOCKED);
    expect(refusal(() => queueToDelete(world.catalog, '/', 'q', 'c2'))).toBe(LOCKED);
    expect(world.catalog.topic('q')!.settings.queue!.durable).toBe(false);
    world.queue('shared');
    expect(refusal(() => world.queue('shared', { exclusive: true }))).toContain("locked queue 'shared' in vhost '/'");
  });

  test('have names that are not reserved, in virtual hosts that exist', () => {
    const world = new World();
    expect(refusal(() => world.queue('amq.mine'))).toBe(
      "access-refused: queue name 'amq.mine' contains reserved prefix 'amq.*'",
    );
    expect(refusal(() => world.queue('amq.gen-0123456789abcdefghijkl'))).toBe('accepted');
    expect(refusal(() => world.queue('q', { passive: true }))).toBe("not-found: no queue 'q' in vhost '/'");
    expect(refusal(() => world.queue('q', { vhost: 'x' }))).toBe("not-found: no vhost 'x'");
  });
});

describe('exchanges', () => {
  test('are compared as RabbitMQ does', () => {
    const world = new World();
    expect(world.exchange('x', { table: { 'alternate-exchange': text('ae') } })).toBe(1);
    const said = (over: ExchangeOver) => refusal(() => world.exchange('x', over)).replace('precondition-failed: ', '');
    const x = "for exchange 'x' in vhost '/': received";
    const ae = { table: { 'alternate-exchange': text('ae') } };
    expect(said(ae)).toBe('accepted');
    expect(said({ type: 'fanout' })).toBe(`inequivalent arg 'type' ${x} 'fanout' but current is 'direct'`);
    expect(said({ durable: false })).toBe(`inequivalent arg 'durable' ${x} 'false' but current is 'true'`);
    expect(said({ autoDelete: true })).toBe(`inequivalent arg 'auto_delete' ${x} 'true' but current is 'false'`);
    expect(said({ internal: true })).toBe(`inequivalent arg 'internal' ${x} 'true' but current is 'false'`);
    expect(said({})).toBe(
      `inequivalent arg 'alternate-exchange' ${x} none but current is the value 'ae' of type 'longstr'`,
    );
    expect(refusal(() => world.exchange('amq.direct'))).toBe('accepted');
    expect(refusal(() => world.exchange('amq.mine'))).toBe(
      "access-refused: exchange name 'amq.mine' contains reserved prefix 'amq.*'",
    );
    expect(refusal(() => world.exchange(''))).toBe('access-refused: operation not permitted on the default exchange');
    expect(refusal(() => world.exchange('y', { passive: true }))).toBe("not-found: no exchange 'y' in vhost '/'");
    expect(refusal(() => world.exchange('y', { table: { 'alternate-exchange': int(1) } }))).toBe(
      "precondition-failed: invalid type 'signedint' for arg 'alternate-exchange' in exchange 'y' in vhost '/'",
    );
    expect(refusal(() => world.exchange('y', { type: 'x-delayed-message' }))).toContain("'x-delayed-type' must be");
    world.exchange('d', { type: 'x-delayed-message', table: { 'x-delayed-type': text('topic') } });
    expect(world.catalog.exchange('/', 'd')!.routesAs).toBe('topic');
  });

  test('are deleted unless somebody needs them', () => {
    const world = new World();
    world.exchange('x');
    world.queue('q');
    world.bind('x', 'q');
    const remove = (name: string, ifUnused: boolean) =>
      refusal(() => world.apply(exchangeDeletionChanges(world.catalog, '/', name, ifUnused)));
    expect(remove('x', true)).toBe("precondition-failed: exchange 'x' in vhost '/' in use");
    expect(remove('amq.topic', false)).toBe(
      "access-refused: deletion of system exchange 'amq.topic' in vhost '/' not allowed",
    );
    expect(remove('', false)).toBe('access-refused: operation not permitted on the default exchange');
    expect(remove('nothing', true)).toBe('accepted');
    expect(remove('x', false)).toBe('accepted');
    expect(world.catalog.bindingCount).toBe(0);
  });
});

describe('bindings', () => {
  test('need both their ends, and a match that means something', () => {
    const world = new World();
    world.queue('q');
    expect(refusal(() => world.bind('x', 'nothing'))).toBe("not-found: no exchange 'x' in vhost '/'");
    expect(refusal(() => world.bind('amq.topic', 'nothing'))).toBe("not-found: no queue 'nothing' in vhost '/'");
    expect(refusal(() => world.bind('', 'q'))).toBe('access-refused: operation not permitted on the default exchange');
    const match = (value: FieldValue) =>
      refusal(() => world.bind('amq.headers', 'q', { arguments: table({ 'x-match': value }) }));
    expect(match(text('some'))).toBe(
      'precondition-failed: Invalid x-match field value <<"some">>; expected all, any, all-with-x, or any-with-x',
    );
    expect(match(int(1))).toBe('precondition-failed: Invalid x-match field type signedint (value 1); expected longstr');
    expect(match(text('any'))).toBe('accepted');
  });

  test('are the same whatever the order of their arguments, and are gone once', () => {
    const world = new World();
    world.queue('q');
    expect(world.bind('amq.headers', 'q', { arguments: table({ a: int(1), b: int(2) }) })).toBe(1);
    expect(world.bind('amq.headers', 'q', { arguments: table({ b: int(2), a: int(1) }) })).toBe(0);
    expect(world.bind('amq.headers', 'q', { arguments: table({ a: int(1) }) })).toBe(1);
    expect(world.unbind('amq.headers', 'q', { arguments: table({ b: int(2), a: int(1) }) })).toBe(1);
    expect(world.unbind('amq.headers', 'q', { arguments: table({ b: int(2), a: int(1) }) })).toBe(0);
    expect(world.catalog.bindingCount).toBe(1);
  });

  test('of a chain of exchanges that delete themselves go one after the other, however long it is', () => {
    const world = new World();
    world.queue('q');
    const length = 20_000;
    for (let index = 0; index < length; index++) {
      world.exchange(`x${index}`, { autoDelete: true });
      if (index === 0) world.bind('x0', 'q');
      else world.bind(`x${index}`, `x${index - 1}`, { destinationKind: 'exchange' });
    }
    expect(world.unbind('x0', 'q')).toBe(2 * length);
    expect([world.catalog.exchangeCount, world.catalog.bindingCount]).toEqual([0, 0]);
  });
});
