// Dead letters: what fails waits a while and is tried again; what fails three times is put aside.
import assert from 'node:assert/strict';
import { type ConsumeMessage, connect } from 'amqplib';

const connection = await connect(process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672/%2f');
const channel = await connection.createChannel();

// example.work --rejected--> example.retry --after 200 ms--> example.work; what has failed for good goes to example.failed.
await channel.assertQueue('example.work', { deadLetterExchange: '', deadLetterRoutingKey: 'example.retry' });
await channel.assertQueue('example.retry', {
  messageTtl: 200,
  deadLetterExchange: '',
  deadLetterRoutingKey: 'example.work',
});
await channel.assertQueue('example.failed');
channel.sendToQueue('example.work', Buffer.from('task'), { persistent: true });

/** How often the message was rejected from a queue: the broker keeps count in the header x-death. */
function rejections(message: ConsumeMessage, queue: string): number {
  const deaths = message.properties.headers?.['x-death'] ?? [];
  return deaths.find((death) => death.queue === queue && death.reason === 'rejected')?.count ?? 0;
}

let attempts = 0;
await new Promise<void>((resolve) => {
  channel.consume('example.work', (task) => {
    if (task === null) return;
    attempts += 1;
    if (rejections(task, 'example.work') < 2) {
      channel.reject(task, false);
      return;
    }
    channel.sendToQueue('example.failed', task.content, { headers: task.properties.headers });
    channel.ack(task);
    resolve();
  });
});

const failed = await channel.get('example.failed', { noAck: true });
assert.ok(failed !== false);
assert.equal(attempts, 3);
assert.equal(failed.properties.headers?.['x-first-death-queue'], 'example.work');
console.log('the task was tried 3 times and then put aside');

for (const queue of ['example.work', 'example.retry', 'example.failed']) await channel.deleteQueue(queue);
await connection.close();
