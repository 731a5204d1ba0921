import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { minimumMeshBytes, planMeshBudget } from './budget.js';
import { createDoorbellPorts, createMeshLayout } from './mesh-layout.js';
import { PartitionTable } from './partition-table.js';

const WORKER = new URL('./fixtures/stress-worker.mjs', import.meta.url);
const MAX_BODY_BYTES = 1024 * 1024;

const workers: Worker[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

function startWorker(program: string, setup: object, ports: readonly unknown[] = []): Worker {
  // Ports are the only transferable part of a setup.
  const transferList = ports.filter((port) => port !== null) as never[];
  const worker = new Worker(WORKER, { workerData: { program, ports, ...setup }, transferList });
  workers.push(worker);
  return worker;
}

/** The next message of a worker. A worker that fails, or says nothing for too long (a lost wake-up), is an error. */
function answerOf<T>(worker: Worker, patienceMs = 20_000): Promise<T> {
  return new Promise((resolve, reject) => {
    const patience = setTimeout(() => reject(new Error('The threads have stalled')), patienceMs);
    worker.once('message', (message) => {
      clearTimeout(patience);
      resolve(message as T);
    });
    worker.once('error', reject);
  });
}

/** Two shards on the smallest rings. */
function startPair(programs: readonly [string, string], setup: object): [Worker, Worker] {
  const layout = createMeshLayout(planMeshBudget(2, minimumMeshBytes(2, MAX_BODY_BYTES), MAX_BODY_BYTES), 1024);
  const ports = createDoorbellPorts(2);
  const [left, right] = programs.map((program, self) => startWorker(program, { layout, self, ...setup }, ports[self]));
  return [left!, right!];
}

describe('two threads', () => {
  it('exchange random messages and large bodies through the smallest rings, both ways full, without an error', async () => {
    const count = 8000;
    const pair = startPair(['checksums', 'checksums'], { count, seed: 20_261, idleTurns: 2 });
    const outcomes = await Promise.all(
      pair.map((worker) => answerOf<{ answered: number; mostWaiting: number }>(worker)),
    );
    for (const outcome of outcomes) {
      expect(outcome.answered).toBe(count);
      expect(outcome.mostWaiting).toBeGreaterThan(0);
      expect(outcome.mostWaiting).toBeLessThanOrEqual(64);
    }
  });

  it('lose no wake-up when they fall asleep after every message', async () => {
    const [asker] = startPair(['pingPong', 'answer'], { count: 40_000, seed: 7, idleTurns: 0 });
    expect(await answerOf<object>(asker)).toMatchObject({ answered: 40_000 });
  });

  it('lose no change of a partition', async () => {
    const [owner, watcher] = startPair(['markSlots', 'watchSlots'], {
      count: 30_000,
      slots: 200,
      seed: 3,
      idleTurns: 0,
    });
    await answerOf(watcher);
    const moved = answerOf<{ ends: number[] }>(owner);
    owner.postMessage('go');
    const { ends } = await moved;
    expect(ends.reduce((sum, end) => sum + end, 0)).toBe(30_000);
    await expect
      .poll(() => {
        const seen = answerOf<{ ends: number[] }>(watcher);
        watcher.postMessage('what do you see');
        return seen.then((message) => message.ends);
      })
      .toEqual(ends);
  });

  it('never read a row that mixes two writes', async () => {
    const setup = { table: PartitionTable.create(1024).buffer, slot: 9, durationMs: 1500 };
    const writer = answerOf<{ written: number }>(startWorker('writeRows', setup));
    const reader = answerOf<{ reads: number; torn: number; distinct: number }>(startWorker('readRows', setup));
    const { torn, distinct } = await reader;
    expect(torn).toBe(0);
    // Otherwise the two did not run at the same time, and the test shows nothing.
    expect(distinct).toBeGreaterThan(20);
    expect((await writer).written).toBeGreaterThan(1000);
  });
});
