// Who gets messages: one active consumer and its successor, consumers with priorities, an exclusive one.
import { connect } from 'duolog/client';
import { amqp, DUOLOG_URL, sleep, until } from './places.mjs';

const client = await connect(DUOLOG_URL);
await client.declareQueue('tour.single', { singleActiveConsumer: true });
const got = [];
const consume = async (name) => {
  const subscription = await client.subscribe('tour.single', {
    onActive: (active) => active && got.push(`${name} is active`),
  });
  void (async () => {
    for await (const delivery of subscription) {
      got.push(`${name} got ${delivery.text()}`);
      delivery.ack();
    }
  })();
  return subscription;
};
const first = await consume('first');
const second = await consume('second');
await client.publish('tour.single', ['a', 'b']);
await until(() => got.length === 3);
await first.close();
await client.publish('tour.single', 'c');
await until(() => got.length === 5);
console.log(got.join('; '));
await second.close();
await client.delete('tour.single');

await client.declareQueue('tour.priorities', { durable: false });
const counts = { high: 0, low: 0 };
const both = [];
for (const [name, priority] of [
  ['low', 0],
  ['high', 10],
]) {
  const subscription = await client.subscribe('tour.priorities', { priority, prefetch: 5 });
  both.push(subscription);
  void (async () => {
    for await (const _ of subscription) counts[name] += 1;
  })();
}
await client.publish('tour.priorities', ['1', '2', '3', '4', '5', '6', '7']);
await until(() => counts.high + counts.low === 7);
console.log(
  `7 messages, prefetch 5: the higher priority got ${counts.high}, the lower one what was left, ${counts.low}`,
);
for (const subscription of both) await subscription.close();
await client.delete('tour.priorities');
await client.close();

const { connection, channel } = await amqp();
const { queue } = await channel.assertQueue('tour.alone', { durable: false, autoDelete: true });
await channel.consume(queue, () => undefined, { exclusive: true });
const other = await connection.createChannel();
other.on('error', () => undefined);
const refused = await other.consume(queue, () => undefined).catch((error) => error);
console.log(`beside an exclusive consumer: ${refused.code} ${refused.message.includes('in exclusive use')}`);
await sleep(10);
await connection.close();
