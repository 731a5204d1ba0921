// tx.select, commit and rollback: publishes to several queues and acknowledgements, all or nothing.
import { connect } from 'duolog/client';
import { amqp, DUOLOG_URL } from './places.mjs';

// amqplib has no functions for the class tx (90), but sends every method that it knows by its number.
const tx = (method) => 90 * 0x1_0000 + method;
const [SELECT, SELECT_OK, COMMIT, COMMIT_OK, ROLLBACK, ROLLBACK_OK] = [10, 11, 20, 21, 30, 31].map(tx);

const { connection, channel } = await amqp();
const queues = ['tour.in', 'tour.out', 'tour.log'];
for (const queue of queues) await channel.assertQueue(queue);
channel.sendToQueue('tour.in', Buffer.from('order'));
// This channel sees what is committed.
const counts = async () => {
  const told = [];
  for (const queue of queues) told.push(`${queue.slice(5)} ${(await channel.checkQueue(queue)).messageCount}`);
  return told.join(', ');
};
await channel.checkQueue('tour.in');
const worker = await connection.createChannel();
await worker.rpc(SELECT, {}, SELECT_OK);
const work = async () => {
  const order = await worker.get('tour.in');
  worker.sendToQueue('tour.out', Buffer.from('invoice'));
  worker.sendToQueue('tour.log', Buffer.from('done'));
  worker.ack(order);
};
await work();
console.log(`before the end: ${await counts()}`);
await worker.rpc(ROLLBACK, {}, ROLLBACK_OK);
await worker.recover();
console.log(`rolled back: ${await counts()}`);
await work();
await worker.rpc(COMMIT, {}, COMMIT_OK);
console.log(`committed: ${await counts()}`);
for (const queue of queues) await channel.deleteQueue(queue);
await connection.close();

// The same over the native protocol: one call.
const client = await connect(DUOLOG_URL);
for (const name of queues) await client.declareQueue(name);
await client.publish('tour.in', 'order');
const order = await client.get('tour.in');
await client.transaction((transaction) => {
  transaction.publish({ routingKey: 'tour.out', value: 'invoice' });
  transaction.publish({ routingKey: 'tour.log', value: 'done' });
  transaction.ack(order);
});
const told = [];
for (const name of queues) told.push(`${name.slice(5)} ${(await client.describe(name)).messagesReady}`);
console.log(`native: ${told.join(', ')}`);
for (const name of queues) await client.delete(name);
await client.close();
