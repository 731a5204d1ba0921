// Prefetch: for each consumer, for the whole channel, and changed while messages flow.
import { connect } from 'duolog/client';
import { amqp, DUOLOG_URL, sleep, until } from './places.mjs';

const { connection, channel } = await amqp();
const queue = 'tour.prefetch';
await channel.assertQueue(queue, { durable: false, autoDelete: true });
for (let number = 0; number < 50; number += 1) channel.sendToQueue(queue, Buffer.from(`${number}`));
const held = async (limit, isGlobal, consumers) => {
  const own = await connection.createChannel();
  let count = 0;
  await own.prefetch(limit, isGlobal);
  for (let number = 0; number < consumers; number += 1) {
    await own.consume(queue, () => {
      count += 1;
    });
  }
  await sleep(300);
  // Whatever it holds goes back; the queue must not go with its last consumer, so another one is there.
  await own.close();
  return count;
};
const keeper = await connect(DUOLOG_URL);
const keeping = await keeper.subscribe(queue, { prefetch: 1 });
console.log(`prefetch 5 for each of 2 consumers: ${await held(5, false, 2)} held`);
console.log(`prefetch 5 for the channel of 2 consumers: ${await held(5, true, 2)} held`);

let count = 0;
const subscription = await keeper.subscribe(queue, { prefetch: 3 });
void (async () => {
  for await (const _ of subscription) count += 1;
})();
await until(() => count === 3);
subscription.setPrefetch(8);
await until(() => count === 8);
console.log(`prefetch 3, changed to 8 while it runs: ${count} held`);
await subscription.close();
await keeping.close();
await keeper.close();
await connection.close();
