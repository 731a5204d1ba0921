// Topics: routing keys are words between dots; a pattern has * for one word and # for any number of them.
import assert from 'node:assert/strict';
import { connect } from 'amqplib';

const connection = await connect(process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672/%2f');
const channel = await connection.createChannel();
await channel.assertExchange('example.animals', 'topic', { durable: false });

const expected = {
  '*.orange.*': ['quick.orange.rabbit', 'lazy.orange.elephant'],
  '*.*.rabbit': ['quick.orange.rabbit', 'lazy.pink.rabbit'],
  'lazy.#': ['lazy.orange.elephant', 'lazy.pink.rabbit', 'lazy'],
};
const queues = new Map<string, string>();
for (const pattern of Object.keys(expected)) {
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'example.animals', pattern);
  queues.set(pattern, queue);
}

for (const key of ['quick.orange.rabbit', 'lazy.orange.elephant', 'lazy.pink.rabbit', 'lazy', 'quick.brown.fox']) {
  channel.publish('example.animals', key, Buffer.from(key));
}

for (const [pattern, texts] of Object.entries(expected)) {
  for (const text of texts) {
    const message = await channel.get(queues.get(pattern) ?? '', { noAck: true });
    assert.ok(message !== false);
    assert.equal(message.content.toString(), text);
  }
  assert.equal(await channel.get(queues.get(pattern) ?? ''), false);
}
console.log('each pattern matched what it should');

await channel.deleteExchange('example.animals');
await connection.close();
