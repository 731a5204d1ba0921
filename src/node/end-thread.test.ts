import { expect, it } from 'vitest';
import { simulatedHarness } from '../storage/fixtures/harness.js';
import { endThread } from './end-thread.js';

it('ends the thread when the journal of a shard fails in a sync of the pool, whose promise is caught', async () => {
  const thrown: (() => void)[] = [];
  const harness = simulatedHarness();
  harness.fatal.push = (error) => {
    endThread(error!, (work) => thrown.push(work));
    return 0;
  };
  await harness.start([]);
  for (let log = 0; log < 6; log++) harness.create(log);
  await harness.commit();
  harness.disk.inject({ operation: 'sync', path: /\.journal$/, effect: { errno: 'EIO' } });
  harness.companion(0).record(harness.log(0), 0, 'taken');
  expect(await harness.commit()).toMatchObject({ code: 'shard-offline' });
  expect(thrown).toHaveLength(1);
  expect(thrown[0]).toThrow('Cannot write journal');
});

it('throws outside of the promise in which it is called', async () => {
  let isCaught = false;
  let work: (() => void) | undefined;
  const swallowed = Promise.resolve()
    .then(() => endThread(new Error('the end'), (later) => (work = later)))
    .catch(() => {
      isCaught = true;
    });
  await swallowed;
  expect(isCaught).toBe(false);
  expect(work).toThrow('the end');
});
