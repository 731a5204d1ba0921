import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchBaseOffset, nextBatch } from '../record/batch-header.js';
import { StorageError } from './errors.js';
import { batchOf, recordsOf } from './fixtures/harness.js';
import { MEMORY_BLOCK_MAX_BYTES, MEMORY_BLOCK_MIN_BYTES } from './limits.js';
import { type MemoryLog, MemoryLogs } from './memory-log.js';
import { NO_COMPANION } from './ports.js';

const CONFIG = { segmentBytes: 1 << 20, segmentMs: -1, retentionMs: -1, retentionBytes: -1, lingerMs: 0 };

/** A queue's cursor as storage sees it: a set of settled offsets. */
class Settled {
  readonly offsets = new Set<number>();
  floor = 0;

  settle(offset: number): void {
    this.offsets.add(offset);
    while (this.offsets.has(this.floor)) this.floor++;
  }
}

function newLog(logs: MemoryLogs, settled: Settled, logId = 7): MemoryLog {
  const companion = {
    ...NO_COMPANION,
    retainFrom: () => settled.floor,
    isAcknowledged: (offset: number) => settled.offsets.has(offset),
  };
  return logs.create({ logId, slot: 0, config: CONFIG, companion });
}

function append(log: MemoryLog, values: readonly string[]): number {
  const bytes = batchOf([...values]);
  return log.append(bytes, 0, bytes.length, 1);
}

/** Everything that is still readable from `offset` on. */
function readAll(log: MemoryLog, offset: number, maxBytes: number): Map<number, string> {
  const found = new Map<number, string>();
  for (let from = offset; ; ) {
    const chunk = log.read(from, maxBytes);
    if (chunk.length === 0) return found;
    let at = 0;
    for (let next = nextBatch(chunk, at, chunk.length); next !== -1; next = nextBatch(chunk, at, chunk.length)) {
      for (const [index, { value }] of recordsOf(chunk.subarray(at, next)).entries()) {
        found.set(batchBaseOffset(chunk, at) + index, value);
        from = batchBaseOffset(chunk, at) + index + 1;
      }
      at = next;
    }
  }
}

describe('memory log', () => {
  test('keeps what is not settled and frees the rest, whatever the order of settling', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 5 }), size: fc.nat(3000) }),
      fc.record({ do: fc.constant('settle' as const), pick: fc.nat(1000), run: fc.integer({ min: 1, max: 12 }) }),
      fc.record({ do: fc.constant('read' as const), pick: fc.nat(1000), maxBytes: fc.nat(5000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const logs = new MemoryLogs({ publish: () => undefined });
        const settled = new Settled();
        const log = newLog(logs, settled);
        const model: string[] = [];
        for (const one of steps) {
          if (one.do === 'append') {
            const values = Array.from(
              { length: one.count },
              (_, index) => `${model.length + index}:${'x'.repeat(one.size)}`,
            );
            expect(append(log, values)).toBe(model.length);
            model.push(...values);
            logs.flush();
            expect(log.visibleEnd).toBe(model.length);
          } else if (one.do === 'settle') {
            for (let index = 0; index < one.run && model.length > 0; index++) {
              settled.settle((one.pick + index) % model.length);
            }
            log.release();
          } else {
            const from = model.length === 0 ? 0 : one.pick % model.length;
            const found = readAll(log, from, one.maxBytes);
            for (const [offset, value] of found) expect(value).toBe(model[offset]);
            for (let offset = from; offset < model.length; offset++) {
              if (!settled.offsets.has(offset)) expect(found.has(offset)).toBe(true);
            }
          }
          expect(logs.sizeBytes).toBe(log.sizeBytes);
          const above = [...readAll(log, settled.floor, 1 << 20).keys()].filter((offset) => offset >= settled.floor);
          expect(log.recordsAbove(settled.floor)).toBe(above.length);
        }
        for (let offset = 0; offset < model.length; offset++) settled.settle(offset);
        for (let round = 0; round < 3; round++) log.release();
        expect(logs.sizeBytes).toBeLessThanOrEqual(MEMORY_BLOCK_MIN_BYTES);
        expect(readAll(log, model.length, 1000).size).toBe(0);
      }),
    );
  });

  test('one unsettled message keeps its block at most; blocks behind it are freed', () => {
    const logs = new MemoryLogs({ publish: () => undefined });
    const settled = new Settled();
    const log = newLog(logs, settled);
    for (let index = 0; index < 5000; index++) append(log, ['x'.repeat(100)]);
    logs.flush();
    expect(logs.sizeBytes).toBeGreaterThan(5000 * 100);
    for (let offset = 1; offset < 5000; offset++) settled.settle(offset);
    for (let turn = 0; turn < 100; turn++) log.release();
    expect(logs.sizeBytes).toBeLessThanOrEqual(MEMORY_BLOCK_MIN_BYTES + MEMORY_BLOCK_MAX_BYTES);
    expect([...readAll(log, 0, 1000).keys()]).toContain(0);
  });

  test('what was appended is seen at the end of the turn, and a view stays as it is', () => {
    const published: number[] = [];
    const logs = new MemoryLogs({ publish: ({ visibleEnd }) => published.push(visibleEnd) });
    const settled = new Settled();
    const log = newLog(logs, settled);
    append(log, ['a', 'b']);
    expect([log.nextOffset, log.visibleEnd]).toEqual([2, 0]);
    logs.flush();
    const view = log.read(0, 1000);
    for (const offset of [0, 1]) settled.settle(offset);
    log.release();
    append(log, ['c']);
    logs.flush();
    expect(recordsOf(view).map(({ value }) => value)).toEqual(['a', 'b']);
    expect(recordsOf(log.read(2, 1000)).map(({ value }) => value)).toEqual(['c']);
    expect(published).toEqual([0, 2, 3]);
  });

  test('a log that was deleted gives its memory back and takes nothing any more', () => {
    const logs = new MemoryLogs({ publish: () => undefined });
    const log = newLog(logs, new Settled());
    append(log, ['a']);
    logs.delete(7);
    expect([logs.sizeBytes, logs.count, logs.log(7)]).toEqual([0, 0, undefined]);
    expect(() => append(log, ['b'])).toThrow(StorageError);
    expect(logs.read(7, 0, 0, 1000, 1).length).toBe(0);
  });
});
