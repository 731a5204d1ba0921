import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { copyOf } from '../base/copy.js';
import { batchBaseSequence, batchProducerId } from '../record/batch-header.js';
import { recordsOf } from '../storage/fixtures/harness.js';
import { BrokerError } from './errors.js';
import { MAX_GATHERED_BATCH_BYTES } from './limits.js';
import { MessageBatcher } from './message-batcher.js';
import { DurabilityLevel, type OutgoingMessage, type PublishListener } from './ports.js';
import { LogGroup } from './route-groups.js';

const encoder = new TextEncoder();

function message(value: string | Uint8Array): OutgoingMessage {
  const bytes = typeof value === 'string' ? encoder.encode(value) : value;
  return { key: null, value: bytes, headers: [], timestampMs: 5 };
}

const groups = new Map<number, LogGroup>();

function groupOf(partition: number, logId: number): LogGroup {
  const group = groups.get(logId) ?? new LogGroup([logId], partition);
  groups.set(logId, group);
  return group;
}

/** A log that gives offsets away and confirms at once, or fails. */
class FakeLogs {
  readonly logs = new Map<number, string[]>();
  readonly batches: { logId: number; count: number; level: DurabilityLevel; bytes: Uint8Array }[] = [];
  failure: BrokerError | undefined;
  readonly batcher = new MessageBatcher(
    (group, bytes, level, token, listener) => {
      const { partition } = group;
      const logId = group.logIds[0]!;
      const records = recordsOf(bytes);
      this.batches.push({ logId, count: records.length, level, bytes: copyOf(bytes) });
      if (this.failure !== undefined) {
        listener.publishFailed(token, this.failure);
        return;
      }
      const log = this.logs.get(logId) ?? [];
      this.logs.set(logId, log);
      const base = log.length;
      log.push(...records.map(({ value }) => value));
      listener.published(token, partition, base, records.length, level, false);
    },
    () => 5,
  );
}

/** Notes which offsets each token got. */
class Tokens implements PublishListener {
  readonly ranges = new Map<number, { partition: number; offset: number }[]>();
  readonly failed: number[] = [];

  published(token: number, partition: number, baseOffset: number, count: number): void {
    const offsets = this.ranges.get(token) ?? [];
    this.ranges.set(token, offsets);
    for (let index = 0; index < count; index++) offsets.push({ partition, offset: baseOffset + index });
  }

  publishFailed(token: number): void {
    this.failed.push(token);
  }
}

describe('message batcher', () => {
  test('every publisher learns the offsets of its own messages, and each log keeps their order', () => {
    const publish = fc.record({
      logId: fc.nat(2),
      token: fc.nat(3),
      level: fc.constantFrom(DurabilityLevel.memory, DurabilityLevel.disk),
      listener: fc.nat(1),
      flush: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(publish, { maxLength: 60 }), (publishes) => {
        const { batcher, logs, batches } = new FakeLogs();
        const listeners = [new Tokens(), new Tokens()];
        const expected = new Map<number, string[]>();
        for (const [index, { logId, token, level, listener, flush }] of publishes.entries()) {
          const text = `${listener}/${token}/${index}`;
          batcher.add(groupOf(logId, logId), message(text), level, token, listeners[listener]!);
          expected.set(logId, [...(expected.get(logId) ?? []), text]);
          if (flush) batcher.flush();
        }
        batcher.flush();
        expect(logs).toEqual(expected);
        for (const [number, { ranges }] of listeners.entries()) {
          for (const [token, offsets] of ranges) {
            for (const { partition, offset } of offsets) {
              expect(logs.get(partition)![offset]).toMatch(new RegExp(`^${number}/${token}/`));
            }
          }
        }
        const confirmed = listeners.flatMap(({ ranges }) => [...ranges.values()]).flat();
        expect(confirmed.length).toBe(publishes.length);
        expect(batches.reduce((sum, { count }) => sum + count, 0)).toBe(publishes.length);
      }),
    );
  });

  test('the messages of one turn for one log and level are one batch; another level ends it', () => {
    const { batcher, batches } = new FakeLogs();
    const tokens = new Tokens();
    for (const level of [1, 1, 2, 2, 2, 1] as const) batcher.add(groupOf(0, 7), message('x'), level, 1, tokens);
    batcher.flush();
    expect(batches.map(({ count, level }) => [count, level])).toEqual([
      [2, 1],
      [3, 2],
      [1, 1],
    ]);
  });

  test('a batch ends at its size, and a larger message gets one of its own', () => {
    const { batcher, batches } = new FakeLogs();
    const tokens = new Tokens();
    const half = new Uint8Array(MAX_GATHERED_BATCH_BYTES / 2 - 1000);
    const large = new Uint8Array(3 * MAX_GATHERED_BATCH_BYTES);
    for (const value of [half, half, half, large, half]) batcher.add(groupOf(0, 7), message(value), 2, 1, tokens);
    batcher.flush();
    expect(batches.map(({ count }) => count)).toEqual([2, 1, 1, 1]);
    expect(tokens.ranges.get(1)!.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4]);
  });

  test('a stamped publish stays by itself, behind what came before', () => {
    const { batcher, batches, logs } = new FakeLogs();
    const tokens = new Tokens();
    batcher.add(groupOf(0, 7), message('a'), 2, 1, tokens);
    const stamp = { producerId: 9, epoch: 1, sequence: 40 };
    batcher.addStamped(groupOf(0, 7), [message('b'), message('c')], stamp, 2, 2, tokens);
    batcher.add(groupOf(0, 7), message('d'), 2, 3, tokens);
    batcher.flush();
    expect(logs.get(7)).toEqual(['a', 'b', 'c', 'd']);
    expect(batches.map(({ bytes }) => [batchProducerId(bytes, 0), batchBaseSequence(bytes, 0)])).toEqual([
      [-1, -1],
      [9, 40],
      [-1, -1],
    ]);
  });

  test('a failure reaches everybody in the batch, and who answers with a publish is served', () => {
    const fake = new FakeLogs();
    const tokens = new Tokens();
    let retries = 0;
    const retrying: PublishListener = {
      published: () => undefined,
      publishFailed: () => {
        retries++;
        fake.failure = undefined;
        fake.batcher.add(groupOf(0, 7), message('again'), 2, 5, tokens);
      },
    };
    fake.failure = new BrokerError('no-space', 'Full');
    fake.batcher.add(groupOf(0, 7), message('a'), 2, 1, tokens);
    fake.batcher.add(groupOf(0, 7), message('b'), 2, 2, retrying);
    fake.batcher.add(groupOf(1, 8), message('c'), 2, 3, tokens);
    fake.batcher.flush();
    fake.batcher.flush();
    expect(tokens.failed).toEqual([1]);
    expect(retries).toBe(1);
    expect(fake.logs.get(7)).toEqual(['again']);
    expect(fake.logs.get(8)).toEqual(['c']);
  });

  test('a message that no batch can take leaves the batcher as it was', () => {
    const { batcher, batches } = new FakeLogs();
    const tokens = new Tokens();
    const impossible = message(new Uint8Array(129 * 1024 * 1024));
    expect(() => batcher.add(groupOf(0, 7), impossible, 2, 1, tokens)).toThrow('Cannot append a record');
    batcher.flush();
    batcher.add(groupOf(0, 7), message('a'), 2, 2, tokens);
    batcher.flush();
    expect(batches.map(({ count }) => count)).toEqual([1]);
    expect([...tokens.ranges.keys()]).toEqual([2]);
  });
});
