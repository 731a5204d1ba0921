// Routing: a subscriber gets only the kinds of messages that it asked for.
import assert from 'node:assert/strict';
import { connect } from 'amqplib';

const connection = await connect(process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672/%2f');
const channel = await connection.createChannel();
await channel.assertExchange('example.logs', 'direct', { durable: false });

const { queue: errors } = await channel.assertQueue('', { exclusive: true });
await channel.bindQueue(errors, 'example.logs', 'error');
const { queue: everything } = await channel.assertQueue('', { exclusive: true });
for (const severity of ['info', 'warning', 'error']) await channel.bindQueue(everything, 'example.logs', severity);

for (const severity of ['info', 'error', 'warning']) channel.publish('example.logs', severity, Buffer.from(severity));

assert.deepEqual(await received(errors), ['error']);
assert.deepEqual(await received(everything), ['info', 'error', 'warning']);
console.log('one queue has the errors, the other has all');

await channel.deleteExchange('example.logs');
await connection.close();

async function received(queue: string): Promise<string[]> {
  const texts: string[] = [];
  for (;;) {
    const message = await channel.get(queue, { noAck: true });
    if (message === false) return texts;
    texts.push(message.content.toString());
  }
}
