// Publish/subscribe: every subscriber gets every message.
import assert from 'node:assert/strict';
import { connect } from 'amqplib';

const connection = await connect(process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672/%2f');
const channel = await connection.createChannel();
await channel.assertExchange('example.news', 'fanout', { durable: false });

// Each subscriber has a queue of its own; the broker names it, and removes it with the connection.
const queues: string[] = [];
for (let subscriber = 0; subscriber < 2; subscriber += 1) {
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'example.news', '');
  queues.push(queue);
}

channel.publish('example.news', '', Buffer.from('It works'));

for (const queue of queues) {
  const message = await channel.get(queue, { noAck: true });
  assert.ok(message !== false);
  assert.equal(message.content.toString(), 'It works');
}
console.log('both subscribers have the news');

await channel.deleteExchange('example.news');
await connection.close();
