// Temporary queues, one for each subscriber, named by the node and gone with their connection; and a hundred readers of one stored message.
import { connect } from 'duolog/client';
import { amqp, DUOLOG_URL, sleep, until } from './places.mjs';

const publisher = await amqp();
await publisher.channel.assertExchange('weather', 'fanout', { autoDelete: true });
const heard = [];
const names = [];
const subscribers = [];
for (let number = 1; number <= 3; number += 1) {
  const subscriber = await amqp();
  const { queue } = await subscriber.channel.assertQueue('', { exclusive: true, autoDelete: true });
  await subscriber.channel.bindQueue(queue, 'weather', '');
  await subscriber.channel.consume(queue, (message) => heard.push(`${number}: ${message.content}`), { noAck: true });
  names.push(queue);
  subscribers.push(subscriber);
}
publisher.channel.publish('weather', '', Buffer.from('rain'));
await until(() => heard.length === 3);
console.log(`subscribers heard ${heard.sort().join(', ')}`);
console.log(`their queues are called amq.gen-…: ${names.every((name) => name.startsWith('amq.gen-'))}`);
for (const { connection } of subscribers) await connection.close();
const client = await connect(DUOLOG_URL);
await until(async () => {
  const { entries } = await client.list({ kind: 'queues', prefix: 'amq.gen-' });
  return entries.every(({ name }) => !names.includes(name));
});
console.log('with their connections the queues are gone');
await publisher.connection.close();

await client.declareTopic('scores');
const readers = await Promise.all(Array.from({ length: 100 }, () => connect(DUOLOG_URL)));
let seen = 0;
for (const reader of readers) {
  const live = await reader.broadcast('scores');
  void (async () => {
    for await (const record of live) if (record.text() === '1:0') seen += 1;
  })();
}
await client.publish('scores', '1:0');
await until(() => seen === 100);
await sleep(50);
const { partitions } = await client.describe('scores');
console.log(`${seen} readers saw the score, and the topic holds ${partitions[0].end - partitions[0].logStart} message`);
await Promise.all(readers.map((reader) => reader.close()));
await client.delete('scores');
await client.close();
