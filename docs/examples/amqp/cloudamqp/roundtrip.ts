// @cloudamqp/amqp-client over TCP: routing, confirms and acknowledgements.
import assert from 'node:assert/strict';
import { AMQPClient } from '@cloudamqp/amqp-client';

const client = new AMQPClient(process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672/%2f');
const connection = await client.connect();
const channel = await connection.channel();
await channel.confirmSelect();
await channel.exchangeDeclare('example.prices', 'topic', { durable: false });
const { name: queue } = await channel.queueDeclare('', { exclusive: true });
await channel.queueBind(queue, 'example.prices', 'price.#');

// With confirms on, the promise is resolved when the broker has the message.
for (let number = 0; number < 5; number += 1) {
  await channel.basicPublish('example.prices', `price.${number}`, String(number), { headers: { number } });
}

const bodies: (string | null)[] = [];
await new Promise<void>((resolve, reject) => {
  setTimeout(() => reject(new Error('The messages did not come')), 10_000).unref();
  void channel.basicConsume(queue, { noAck: false }, async (message) => {
    bodies.push(message.bodyString());
    await message.ack();
    if (bodies.length === 5) resolve();
  });
});
assert.deepEqual(bodies, ['0', '1', '2', '3', '4']);
console.log('5 prices published, confirmed and received');

await channel.exchangeDelete('example.prices');
await connection.close();
