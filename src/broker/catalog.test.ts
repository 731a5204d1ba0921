import { describe, expect, it } from 'vitest';
import { Catalog, decodeChange, encodeChange, type MetadataChange } from './catalog.js';
import { deletionChanges, validateDeclaration } from './declarations.js';
import { BrokerError } from './errors.js';
import { type Declaration, DurabilityLevel } from './ports.js';

type Declared = Partial<Omit<Declaration, 'settings'>> & { settings?: Partial<Declaration['settings']> };

function declaration(name: string, kind: 'topic' | 'queue', over: Declared = {}): Declaration {
  const { settings, ...rest } = over;
  return { name, partitions: 0, passive: false, start: { at: 'end' }, ...rest, settings: { ...settings, kind } };
}

/** A control thread in small: validates, encodes, decodes, applies. */
class Control {
  readonly catalog = new Catalog();
  readonly changes: MetadataChange[] = [];

  apply(changes: readonly MetadataChange[]): number {
    for (const change of changes) {
      const decoded = decodeChange(encodeChange(change));
      expect(decoded).toEqual(change);
      this.changes.push(decoded);
      this.catalog.apply(this.catalog.version + 1, decoded);
    }
    return changes.length;
  }

  declare(name: string, kind: 'topic' | 'queue', over: Declared = {}, slots?: number): number {
    const node = { defaultPartitions: 2, slots: slots ?? 131_072, shards: 1 };
    return this.apply(validateDeclaration(this.catalog, declaration(name, kind, over), node));
  }

  delete(name: string): void {
    this.apply(deletionChanges(this.catalog, name));
  }
}

function failure(work: () => unknown): [string, string] {
  try {
    work();
  } catch (error) {
    if (error instanceof BrokerError) return [error.code, error.message];
    throw error;
  }
  throw new Error('Nothing was thrown');
}

describe('declarations', () => {
  it('create topics with the node default of partitions and queues with one', () => {
    const control = new Control();
    control.declare('events', 'topic');
    control.declare('orders', 'queue', { settings: { lingerMs: 500 } });
    const events = control.catalog.topic('events')!;
    expect(events.partitions).toEqual([
      { partition: 0, logId: 1, slot: 0 },
      { partition: 1, logId: 2, slot: 1 },
    ]);
    expect(events.settings).toEqual({
      kind: 'topic',
      durability: DurabilityLevel.disk,
      retentionMs: 604_800_000,
      retentionBytes: -1,
      segmentBytes: 134_217_728,
      segmentMs: 604_800_000,
      lingerMs: 0,
    });
    const orders = control.catalog.topic('orders')!;
    expect([orders.partitions.length, orders.settings.retentionMs, orders.settings.lingerMs]).toEqual([1, -1, 500]);
    expect(control.catalog.topicOfLog(3)).toBe(orders);
  });

  it('change nothing when they are repeated or name less', () => {
    const control = new Control();
    const full = { partitions: 3, settings: { durability: DurabilityLevel.memory, retentionMs: 10 } };
    expect(control.declare('events', 'topic', full)).toBe(1);
    expect(control.declare('events', 'topic', full)).toBe(0);
    expect(control.declare('events', 'topic')).toBe(0);
    expect(control.declare('events', 'topic', { passive: true, partitions: 9 })).toBe(0);
  });

  it('name the first difference', () => {
    const control = new Control();
    control.declare('orders', 'queue', { settings: { durability: DurabilityLevel.disk } });
    expect(
      failure(() => control.declare('orders', 'queue', { settings: { durability: DurabilityLevel.memory } })),
    ).toEqual([
      'already-exists',
      'Cannot declare queue "orders": it exists with durability=disk, declared durability=memory',
    ]);
    expect(failure(() => control.declare('orders', 'queue', { partitions: 4, settings: { lingerMs: 7 } }))).toEqual([
      'already-exists',
      'Cannot declare queue "orders": it exists with partitions=1, declared partitions=4',
    ]);
    expect(
      failure(() => control.declare('orders', 'queue', { settings: { segmentBytes: 65_536, lingerMs: 7 } })),
    ).toEqual([
      'already-exists',
      'Cannot declare queue "orders": it exists with segmentBytes=134217728, declared segmentBytes=65536',
    ]);
    expect(failure(() => control.declare('orders', 'queue', { settings: { lingerMs: 7 } }))[1]).toBe(
      'Cannot declare queue "orders": it exists with lingerMs=0, declared lingerMs=7',
    );
  });

  it('give an existing topic a cursor, once, with the settings that the topic has', () => {
    const control = new Control();
    control.declare('events', 'topic', { partitions: 3, settings: { retentionMs: 99 } });
    const before = control.catalog.topic('events')!;
    const start = { at: 'timestamp', timestampMs: 1234 } as const;
    expect(failure(() => control.declare('events', 'queue', { settings: { retentionMs: 98 } }))[0]).toBe(
      'already-exists',
    );
    expect(control.declare('events', 'queue', { start, settings: { lingerMs: 60 } })).toBe(1);
    const after = control.catalog.topic('events')!;
    expect([after.start, after.partitions, after.topicId]).toEqual([start, before.partitions, before.topicId]);
    expect(after.settings).toEqual({ ...before.settings, kind: 'queue', lingerMs: 60 });
    expect(before.settings.kind).toBe('topic');
    expect(control.declare('events', 'queue', { settings: { lingerMs: 60 } })).toBe(0);
    expect(control.declare('events', 'topic', { partitions: 3 })).toBe(0);
    expect(control.catalog.topicOfLog(before.partitions[2]!.logId)).toBe(after);
  });

  it('only look when they are passive', () => {
    const control = new Control();
    control.declare('events', 'topic');
    expect(failure(() => control.declare('orders', 'queue', { passive: true }))).toEqual([
      'not-found',
      'Cannot find queue "orders": it does not exist',
    ]);
    expect(failure(() => control.declare('events', 'queue', { passive: true }))).toEqual([
      'wrong-kind',
      `Cannot find queue "events": it is a topic without a queue's cursor`,
    ]);
  });

  it('refuse names that AMQP could not carry', () => {
    const control = new Control();
    for (const name of ['a', 'orders/eu 1', 'é'.repeat(127), '订单', '🐰', '..', '"'])
      expect(control.declare(name, 'queue')).toBe(1);
    const text = (name: string) => failure(() => control.declare(name, 'queue'));
    expect(text('')).toEqual(['invalid-request', 'Cannot declare a queue without a name: the name is empty']);
    expect(text('é'.repeat(128))[1]).toContain('its name has 256 bytes, the limit is 255');
    expect(text('a\nb')[1]).toBe('Cannot declare queue "a\\nb": its name holds the control character 10');
    expect(text('a\u0085')[1]).toContain('the control character 133');
    expect(text('a\ud800')[1]).toContain('half of a surrogate pair');
  });

  it('refuse numbers out of range', () => {
    const control = new Control();
    const text = (over: Declared, kind: 'topic' | 'queue' = 'topic') => failure(() => control.declare('x', kind, over));
    expect(text({ partitions: 1025 })).toEqual([
      'invalid-request',
      'Cannot declare topic "x": partitions=1025 is outside 0 to 1024',
    ]);
    expect(text({ partitions: 1.5 })[1]).toContain('partitions=1.5');
    expect(text({ partitions: -1 })[1]).toContain('partitions=-1');
    expect(text({ settings: { retentionMs: -2 } })[1]).toContain('retentionMs=-2 is outside -1 to');
    expect(text({ settings: { segmentBytes: 100 } })[1]).toContain('segmentBytes=100 is outside 16384 to 2147483647');
    expect(text({ settings: { segmentMs: 0 } })[1]).toContain('segmentMs=0');
    expect(text({ settings: { lingerMs: 5 } })[1]).toBe('Cannot declare topic "x": lingerMs=5 is for queues only');
    expect(text({ settings: { lingerMs: Number.NaN } }, 'queue')[1]).toContain('lingerMs=NaN');
    expect(control.declare('x', 'queue', { settings: { segmentMs: -1, lingerMs: -1 } })).toBe(1);
    expect(failure(() => control.declare('y', 'topic', { partitions: 4 }, 4))).toEqual([
      'limit-exceeded',
      'Cannot declare topic "y" with partitions=4: the node has 1 of at most 4 partitions',
    ]);
  });
});

describe('Catalog', () => {
  it('never uses an id again, but slots', () => {
    const control = new Control();
    control.declare('a', 'topic');
    control.declare('b', 'topic');
    control.delete('a');
    expect(failure(() => control.delete('a'))).toEqual(['not-found', 'Cannot delete "a": it does not exist']);
    control.declare('a', 'topic', { partitions: 3 });
    const { topicId, partitions } = control.catalog.topic('a')!;
    expect([topicId, ...partitions.map(({ logId, slot }) => [logId, slot])]).toEqual([3, [5, 0], [6, 1], [7, 4]]);
    control.delete('a');
    control.apply([{ kind: 'reserve-log-ids', below: 100 }]);
    expect([control.catalog.nextLogId, control.catalog.nextTopicId, control.catalog.topicCount]).toEqual([100, 4, 1]);
  });

  it('is the same from the log as from a snapshot', () => {
    const control = new Control();
    control.declare('a', 'topic');
    control.declare('b', 'topic');
    control.declare('b', 'queue', { start: { at: 'end' } });
    control.declare('c', 'queue', { partitions: 5 });
    control.delete('c');
    control.apply([
      { kind: 'reserve-producer-ids', below: 2000 },
      { kind: 'producer-epoch', producerId: 17, epoch: 3 },
    ]);
    const restored = new Catalog();
    restored.restore(control.catalog.snapshot());
    const replayed = new Catalog();
    for (const [index, change] of control.changes.entries()) replayed.apply(index + 1, change);
    for (const copy of [restored, replayed]) {
      expect([...copy.topics()]).toEqual([...control.catalog.topics()]);
      expect([copy.version, copy.nextLogId, copy.nextTopicId]).toEqual([7, 10, 4]);
      expect([copy.producerIdsBelow, copy.producerEpoch(17), copy.producerEpoch(18)]).toEqual([2000, 3, 0]);
      expect(copy.freeSlots(2)).toEqual([4, 5]);
      expect(copy.snapshot()).toEqual(control.catalog.snapshot());
    }
    expect(() => replayed.apply(7, { kind: 'delete-topic', topicId: 1 })).toThrow('Cannot apply version 7');
  });

  it('refuses truncated and unknown changes', () => {
    const control = new Control();
    control.declare('a', 'topic');
    control.declare('a', 'queue', { start: { at: 'timestamp', timestampMs: 5 } });
    for (const change of control.changes) {
      const bytes = encodeChange(change);
      for (let length = 0; length < bytes.length; length++)
        expect(() => decodeChange(bytes.subarray(0, length))).toThrow();
    }
    expect(() => decodeChange(Uint8Array.of(2, 1))).toThrow(
      'Cannot read a metadata change of version 2: version 1 is known',
    );
    expect(() => decodeChange(Uint8Array.of(1, 99))).toThrow('A metadata change is of an unknown kind: 99');
    expect(() => decodeChange(Uint8Array.of(1, 3, 1, 0))).toThrow('A metadata change has 1 bytes too many');
    const snapshot = control.catalog.snapshot();
    for (let length = 0; length < snapshot.length; length++) {
      expect(() => new Catalog().restore(snapshot.subarray(0, length))).toThrow();
    }
  });
});
