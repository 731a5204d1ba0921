// What becomes of deliveries: automatic, manual, multiple, nack and reject with and without requeue, original positions, counts, recover.
import { amqp, takeAll, until } from './places.mjs';

const { connection, channel } = await amqp();
const queue = 'tour.acks';
await channel.assertQueue(queue, { arguments: { 'x-queue-type': 'quorum' } });
const send = (...bodies) => {
  for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body));
};
const get = (options) => channel.get(queue, options);
const shown = ({ content, fields, properties }) =>
  `${content}${fields.redelivered ? ' again' : ''} (${properties.headers['x-delivery-count'] ?? 0} returns)`;

send('a', 'b', 'c', 'd', 'e');
await until(async () => (await channel.checkQueue(queue)).messageCount === 5);
console.log(`automatic: ${shown(await get({ noAck: true }))}, ${(await channel.checkQueue(queue)).messageCount} left`);
const [b, c, d] = [await get(), await get(), await get()];
channel.ack(c, true);
console.log('ack of c, multiple: b and c are done');
channel.nack(d, false, true);
console.log(`nack with requeue: ${shown(await get())} comes before e`);
channel.nackAll(true);
const again = await get();
console.log(`and once more: ${shown(again)}`);
channel.reject(again, false);
console.log(`reject without requeue: next is ${shown(await get())}`);
await channel.recover();
console.log(`recover gives it back: ${shown(await get())}`);
channel.ackAll();
void b;
console.log(`left: ${(await takeAll(channel, queue)).length}`);
await channel.deleteQueue(queue);
await connection.close();
