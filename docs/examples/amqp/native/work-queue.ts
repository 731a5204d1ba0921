// Work queue, by Duolog's own client: tasks are shared among workers, and what a worker fails at comes again.
import assert from 'node:assert/strict';
import { connect } from 'duolog/client';

const client = await connect(process.env['DUOLOG_URL'] ?? 'ws://127.0.0.1:7700/ws');
await client.declareQueue('example-native-tasks', { durability: 'disk' });
await client.publish('example-native-tasks', ['0', '1', '2', '3', '4']);

const done = new Set<string>();
let failures = 0;
const finished = new Promise<void>((resolve) => {
  const work = (task: { text(): string; redelivered: boolean }) => {
    // A task is acknowledged when the handler returns, and goes back to the queue when it throws.
    if (task.text() === '3' && !task.redelivered) {
      failures += 1;
      throw new Error('This worker cannot do it');
    }
    done.add(task.text());
    if (done.size === 5) resolve();
  };
  for (let worker = 0; worker < 2; worker += 1) {
    void client.consume('example-native-tasks', { prefetch: 1 }, async (task) => work(task));
  }
});
await finished;
assert.equal(failures, 1);
console.log('5 tasks done, one of them at the second try');

await client.close();
const cleaner = await connect(process.env['DUOLOG_URL'] ?? 'ws://127.0.0.1:7700/ws');
await cleaner.delete('example-native-tasks');
await cleaner.close();
