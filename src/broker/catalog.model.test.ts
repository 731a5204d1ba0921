/** The catalog with its declarations against a dumb model: lists that are searched, and cascades by looking again until nothing changes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Catalog, type CatalogListener, isVolatileTopic, type MetadataChange } from './catalog.js';
import {
  bindingChanges,
  connectionEndChanges,
  deletionChanges,
  exchangeDeclarationChanges,
  exchangeDeletionChanges,
  unbindingChanges,
  validateDeclaration,
  vhostCreationChanges,
  vhostDeletionChanges,
} from './declarations.js';
import { BrokerError } from './errors.js';
import { decodeStep, encodeStep } from './metadata-changes.js';
import { VOLATILE_ID_FIRST } from './metadata-limits.js';
import type { Binding, ExchangeEntry } from './model.js';

const NONE = new Uint8Array(0);
const VHOSTS = ['/', 'other'];

type Command =
  | {
      readonly do: 'queue';
      readonly vhost: string;
      readonly name: string;
      readonly durable: boolean;
      readonly owner: string;
    }
  | { readonly do: 'delete'; readonly vhost: string; readonly name: string }
  | {
      readonly do: 'exchange';
      readonly vhost: string;
      readonly name: string;
      readonly durable: boolean;
      readonly autoDelete: boolean;
    }
  | { readonly do: 'delete-exchange'; readonly vhost: string; readonly name: string; readonly ifUnused: boolean }
  | { readonly do: 'bind' | 'unbind'; readonly vhost: string; readonly binding: Binding }
  | { readonly do: 'close'; readonly owner: string }
  | { readonly do: 'vhost' | 'delete-vhost' };

interface ModelQueue {
  readonly vhost: string;
  readonly name: string;
  readonly isVolatile: boolean;
  readonly owner: string;
}
interface ModelExchange {
  readonly vhost: string;
  readonly name: string;
  readonly durable: boolean;
  readonly autoDelete: boolean;
}

/** What should be there. */
class Model {
  vhosts = ['/'];
  queues: ModelQueue[] = [];
  exchanges: ModelExchange[] = [];
  bindings: { readonly vhost: string; readonly text: string; readonly binding: Binding }[] = [];

  run(command: Command): void {
    switch (command.do) {
      case 'queue': {
        const { vhost, name, durable, owner } = command;
        if (!this.vhosts.includes(vhost) || this.queue(vhost, name) !== undefined) return;
        this.queues.push({ vhost, name, isVolatile: !durable || owner !== '', owner });
        break;
      }
      case 'delete':
        this.dropQueues((queue) => queue.vhost === command.vhost && queue.name === command.name && queue.owner === '');
        break;
      case 'exchange': {
        const { vhost, name, durable, autoDelete } = command;
        if (!this.vhosts.includes(vhost) || this.exchange(vhost, name) !== undefined) return;
        this.exchanges.push({ vhost, name, durable, autoDelete });
        break;
      }
      case 'delete-exchange': {
        const { vhost, name, ifUnused } = command;
        if (ifUnused && this.bindings.some((one) => one.vhost === vhost && one.binding.source === name)) return;
        this.dropExchange(vhost, name);
        break;
      }
      case 'bind':
        this.bind(command.vhost, command.binding);
        break;
      case 'unbind': {
        const text = textOf(command.binding);
        this.dropBindings((one) => one.vhost === command.vhost && one.text === text);
        break;
      }
      case 'close':
        this.dropQueues((queue) => queue.owner === command.owner);
        break;
      case 'vhost':
        if (!this.vhosts.includes('other')) this.vhosts.push('other');
        break;
      case 'delete-vhost':
        this.vhosts = ['/'];
        this.queues = this.queues.filter(({ vhost }) => vhost === '/');
        this.exchanges = this.exchanges.filter(({ vhost }) => vhost === '/');
        this.bindings = this.bindings.filter(({ vhost }) => vhost === '/');
        break;
    }
  }

  queue(vhost: string, name: string): ModelQueue | undefined {
    return this.queues.find((queue) => queue.vhost === vhost && queue.name === name);
  }

  exchange(vhost: string, name: string): ModelExchange | undefined {
    if (name.startsWith('amq.')) return { vhost, name, durable: true, autoDelete: false };
    return this.exchanges.find((exchange) => exchange.vhost === vhost && exchange.name === name);
  }

  isVolatile({ vhost, binding }: { readonly vhost: string; readonly binding: Binding }): boolean {
    const end =
      binding.destinationKind === 'queue'
        ? this.queue(vhost, binding.destination)?.isVolatile
        : this.exchange(vhost, binding.destination)?.durable === false;
    return end === true || this.exchange(vhost, binding.source)?.durable === false;
  }

  private bind(vhost: string, binding: Binding): void {
    if (!this.vhosts.includes(vhost) || this.exchange(vhost, binding.source) === undefined) return;
    const isQueue = binding.destinationKind === 'queue';
    const end = isQueue ? this.queue(vhost, binding.destination) : this.exchange(vhost, binding.destination);
    if (end === undefined || ('owner' in end && end.owner !== '')) return;
    const text = textOf(binding);
    if (!this.bindings.some((one) => one.vhost === vhost && one.text === text))
      this.bindings.push({ vhost, text, binding });
  }

  private dropQueues(goes: (queue: ModelQueue) => boolean): void {
    const gone = this.queues.filter(goes);
    this.queues = this.queues.filter((queue) => !gone.includes(queue));
    for (const { vhost, name } of gone) {
      this.dropBindings(
        (one) => one.vhost === vhost && one.binding.destinationKind === 'queue' && one.binding.destination === name,
      );
    }
  }

  private dropExchange(vhost: string, name: string): void {
    if (this.exchanges.every((exchange) => exchange.vhost !== vhost || exchange.name !== name)) return;
    this.exchanges = this.exchanges.filter((exchange) => exchange.vhost !== vhost || exchange.name !== name);
    this.dropBindings(({ vhost: where, binding }) => {
      const leads = binding.destinationKind === 'exchange' && binding.destination === name;
      return where === vhost && (leads || binding.source === name);
    });
  }

  private dropBindings(goes: (one: Model['bindings'][number]) => boolean): void {
    const gone = this.bindings.filter(goes);
    this.bindings = this.bindings.filter((one) => !gone.includes(one));
    for (const { vhost, binding } of gone) {
      const isLast = !this.bindings.some((one) => one.vhost === vhost && one.binding.source === binding.source);
      if (isLast && this.exchange(vhost, binding.source)?.autoDelete === true) this.dropExchange(vhost, binding.source);
    }
  }
}

function textOf({ source, destination, destinationKind, routingKey }: Binding): string {
  return [source, destinationKind, destination, routingKey].join(' ');
}

/** A router's view, which only hears. */
class Heard implements CatalogListener {
  readonly exchanges = new Set<string>();
  readonly bindings = new Set<string>();
  exchangeDeclared({ vhost, name }: ExchangeEntry): void {
    this.exchanges.add(`${vhost} ${name}`);
  }
  exchangeDeleted(vhost: string, name: string): void {
    expect(this.exchanges.delete(`${vhost} ${name}`)).toBe(true);
  }
  bound(vhost: string, binding: Binding): void {
    expect(this.exchanges.has(`${vhost} ${binding.source}`)).toBe(true);
    this.bindings.add(`${vhost} ${textOf(binding)}`);
  }
  unbound(vhost: string, binding: Binding): void {
    expect(this.bindings.delete(`${vhost} ${textOf(binding)}`)).toBe(true);
  }
  topicChanged(): void {}
}

/** The control thread's catalog, a shard's copy, and what reached the disk. */
class Subject {
  readonly control = new Catalog();
  readonly shard = new Catalog();
  readonly heard = new Heard();
  readonly disk: { version: number; bytes: Uint8Array }[] = [];

  constructor() {
    this.shard.listen(this.heard);
  }

  run(command: Command): void {
    let changes: readonly MetadataChange[];
    try {
      changes = this.changes(command);
    } catch (error) {
      if (error instanceof BrokerError) return;
      throw error;
    }
    if (changes.length === 0) return;
    this.checkUndo(changes);
    const version = this.control.version + 1;
    this.control.applyStep(version, changes);
    this.shard.applyStep(version, structuredClone(changes));
    const durable = changes.filter((change) => change.volatile !== true);
    if (durable.length > 0) this.disk.push({ version, bytes: encodeStep(durable) });
  }

  /** Applied and taken back is as if it had never been. */
  private checkUndo(changes: readonly MetadataChange[]): void {
    const before = contents(this.control);
    const { version } = this.control;
    this.control.record();
    this.control.applyStep(version + 1, changes);
    this.control.rollBack();
    expect(contents(this.control)).toEqual(before);
    expect(this.control.version).toBe(version);
  }

  private changes(command: Command): readonly MetadataChange[] {
    const { control } = this;
    switch (command.do) {
      case 'queue': {
        const { vhost, name, durable, owner } = command;
        const flags = { durable, exclusive: owner !== '', autoDelete: false, arguments: NONE };
        const queue = { ...flags, connection: owner, shard: 1 };
        const settings = { kind: 'queue' } as const;
        const declaration = {
          vhost,
          name,
          queue,
          partitions: 1,
          settings,
          passive: false,
          start: { at: 'beginning' },
        } as const;
        return validateDeclaration(control, declaration, { defaultPartitions: 1, slots: 100, shards: 3 });
      }
      case 'delete':
        return deletionChanges(control, command.name, command.vhost);
      case 'exchange':
        return exchangeDeclarationChanges(control, {
          ...command,
          type: 'direct',
          passive: false,
          internal: false,
          arguments: NONE,
        });
      case 'delete-exchange':
        return exchangeDeletionChanges(control, command.vhost, command.name, command.ifUnused);
      case 'bind':
        return bindingChanges(control, command.vhost, command.binding, '');
      case 'unbind':
        return unbindingChanges(control, command.vhost, command.binding, '');
      case 'close':
        return connectionEndChanges(control, command.owner);
      case 'vhost':
        return vhostCreationChanges(control, 'other');
      case 'delete-vhost':
        return vhostDeletionChanges(control, 'other');
    }
  }
}

/** All that is in a catalog, in no order. */
function contents(catalog: Catalog) {
  const vhosts = [...catalog.vhostNames()];
  return {
    vhosts: vhosts.sort(),
    topics: [...catalog.topics()].map((topic) => `${topic.vhost ?? '/'} ${topic.name} ${topic.topicId}`).sort(),
    exchanges: vhosts.flatMap((vhost) => [...catalog.exchanges(vhost)].map(({ name }) => `${vhost} ${name}`)).sort(),
    bindings: vhosts.flatMap((vhost) => [...catalog.bindings(vhost)].map((one) => `${vhost} ${textOf(one)}`)).sort(),
    counts: [catalog.topicCount, catalog.exchangeCount, catalog.bindingCount, catalog.partitionCount],
    slots: catalog.freeSlots(3),
  };
}

const vhost = fc.constantFrom(...VHOSTS);
const queueName = fc.constantFrom('q1', 'q2', 'q3');
const exchangeName = fc.constantFrom('x1', 'x2', 'x3');
const binding = fc
  .record({
    source: fc.oneof(exchangeName, exchangeName, fc.constant('amq.topic')),
    toExchange: fc.boolean(),
    queue: queueName,
    exchange: fc.oneof(exchangeName, fc.constant('amq.fanout')),
    routingKey: fc.constantFrom('', 'k'),
  })
  .map(({ source, toExchange, queue, exchange, routingKey }): Binding => {
    const destination = toExchange ? exchange : queue;
    return { source, destination, destinationKind: toExchange ? 'exchange' : 'queue', routingKey, arguments: NONE };
  });
const owner = fc.constantFrom('', '', 'c1', 'c2');
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('queue' as const), vhost, name: queueName, durable: fc.boolean(), owner }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), vhost, name: queueName }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('exchange' as const),
      vhost,
      name: exchangeName,
      durable: fc.boolean(),
      autoDelete: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('delete-exchange' as const),
      vhost,
      name: exchangeName,
      ifUnused: fc.boolean(),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('bind' as const), vhost, binding }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('unbind' as const), vhost, binding }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), owner: fc.constantFrom('c1', 'c2') }) },
  { weight: 2, arbitrary: fc.constant({ do: 'vhost' } as const) },
  { weight: 1, arbitrary: fc.constant({ do: 'delete-vhost' } as const) },
);

function compare(subject: Subject, model: Model): void {
  const { control, shard, heard } = subject;
  const found = contents(control);
  expect(found.vhosts).toEqual([...model.vhosts].sort());
  const topics = [...control.topics()];
  const shown = topics.map((topic) => `${topic.vhost ?? '/'} ${topic.name} ${isVolatileTopic(topic)}`);
  expect(shown.sort()).toEqual(model.queues.map((queue) => `${queue.vhost} ${queue.name} ${queue.isVolatile}`).sort());
  expect(control.exchangeCount).toBe(model.exchanges.length);
  for (const { vhost: where, name } of model.exchanges) expect(control.exchange(where, name)).toBeDefined();
  expect(found.bindings).toEqual(model.bindings.map((one) => `${one.vhost} ${one.text}`).sort());
  expect(contents(shard)).toEqual(found);
  expect([...heard.bindings].sort()).toEqual(found.bindings);
  expect([...heard.exchanges].sort()).toEqual(found.exchanges);
  for (const topic of topics.filter(isVolatileTopic)) {
    for (const { logId } of topic.partitions) expect([logId >= VOLATILE_ID_FIRST, logId % 3]).toEqual([true, 1]);
  }
}

/** What a restart finds, from the log and from a snapshot. */
function compareRestarted(subject: Subject, model: Model): void {
  const replayed = new Catalog();
  for (const { version, bytes } of subject.disk) replayed.applyStep(version, decodeStep(bytes));
  const restored = new Catalog();
  restored.restore(subject.control.snapshot());
  for (const catalog of [replayed, restored]) {
    const found = contents(catalog);
    const queues = model.queues.filter((queue) => !queue.isVolatile).map((queue) => `${queue.vhost} ${queue.name}`);
    expect([...catalog.topics()].map((topic) => `${topic.vhost ?? '/'} ${topic.name}`).sort()).toEqual(queues.sort());
    expect(catalog.exchangeCount).toBe(model.exchanges.filter(({ durable }) => durable).length);
    const bindings = model.bindings.filter((one) => !model.isVolatile(one)).map((one) => `${one.vhost} ${one.text}`);
    expect(found.bindings).toEqual(bindings.sort());
    expect(catalog.nextLogId).toBe(subject.control.nextLogId);
  }
}

describe('the catalog', () => {
  test('is as the model says, on the control thread, on shards, and after a restart', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 60, size: 'max' }), (commands) => {
        const subject = new Subject();
        const model = new Model();
        for (const one of commands) {
          subject.run(one);
          model.run(one);
          compare(subject, model);
        }
        compareRestarted(subject, model);
      }),
      { numRuns: 300 },
    );
  });
});
