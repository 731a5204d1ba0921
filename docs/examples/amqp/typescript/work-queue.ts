// Work queue: tasks are shared among workers, and a task whose worker fails goes to another.
import assert from 'node:assert/strict';
import { connect } from 'amqplib';

const url = process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672/%2f';
const connection = await connect(url);
const channel = await connection.createChannel();
// A durable queue with persistent messages survives a restart of the broker.
await channel.assertQueue('example.tasks', { durable: true });
for (let number = 0; number < 10; number += 1) {
  channel.sendToQueue('example.tasks', Buffer.from(String(number)), { persistent: true });
}

// This worker takes one task and goes away without acknowledging it: the broker gives it to the next one. (The question before
// makes sure that the broker has had all tasks: another connection asks for one.)
await channel.checkQueue('example.tasks');
const failing = await connect(url);
const lost = await (await failing.createChannel()).get('example.tasks');
assert.ok(lost !== false);
await failing.close();

const done = new Set<string>();
const redelivered: string[] = [];
await new Promise<void>((resolve) => {
  // At most one task at a time that is not acknowledged: a slow worker does not hoard what others could do.
  channel.prefetch(1);
  channel.consume('example.tasks', (task) => {
    if (task === null) return;
    done.add(task.content.toString());
    if (task.fields.redelivered) redelivered.push(task.content.toString());
    channel.ack(task);
    if (done.size === 10) resolve();
  });
});
assert.deepEqual(redelivered, [lost.content.toString()]);
console.log('10 tasks done, one of them after its first worker had gone');

await channel.deleteQueue('example.tasks');
await connection.close();
