// Two workers on one queue: with a prefetch of 1 the one that is faster gets more; workers that are equally ready take turns.
import { amqp, sleep } from './places.mjs';

const { connection, channel } = await amqp();
const { queue } = await channel.assertQueue('', { exclusive: true });
const done = { slow: 0, fast: 0 };
const finished = Promise.withResolvers?.() ?? withResolvers();
for (const [name, pause] of [
  ['slow', 100],
  ['fast', 5],
]) {
  const worker = await connection.createChannel();
  await worker.prefetch(1);
  await worker.consume(queue, async (job) => {
    await sleep(pause);
    done[name] += 1;
    worker.ack(job);
    if (done.slow + done.fast === 30) finished.resolve();
  });
}
for (let job = 0; job < 30; job += 1) channel.sendToQueue(queue, Buffer.from(`${job}`));
await finished.promise;
console.log(`30 jobs are done, the faster worker did more of them: ${done.fast > done.slow}`);

const equal = await channel.assertQueue('', { exclusive: true });
const turns = [];
for (const name of ['a', 'b', 'c']) await channel.consume(equal.queue, () => turns.push(name), { noAck: true });
for (let job = 0; job < 6; job += 1) channel.sendToQueue(equal.queue, Buffer.from(`${job}`));
while (turns.length < 6) await sleep(10);
console.log(`ready workers take turns: ${turns.sort().join(' ')}`);
await connection.close();

function withResolvers() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
