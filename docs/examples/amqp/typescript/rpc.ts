// RPC: a request says where the answer goes, and carries an id by which the answer is known.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';

const url = process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672/%2f';
const server = await connect(url);
const serverChannel = await server.createChannel();
await serverChannel.assertQueue('example.rpc', { durable: false });
await serverChannel.consume('example.rpc', (request) => {
  if (request === null) return;
  const { replyTo, correlationId } = request.properties;
  const answer = Number(request.content.toString()) ** 2;
  serverChannel.sendToQueue(replyTo, Buffer.from(String(answer)), { correlationId });
  serverChannel.ack(request);
});

const connection = await connect(url);
const channel = await connection.createChannel();
const waiting = new Map<string, (answer: number) => void>();

/** Listens for answers and returns the function that asks for them. */
async function caller(replyTo: string): Promise<(number: number) => Promise<number>> {
  // Direct reply-to needs no queue, but its consumer, without acknowledgements, before the request.
  await channel.consume(
    replyTo,
    (answer) => {
      const resolve = waiting.get(answer?.properties.correlationId ?? '');
      resolve?.(Number(answer?.content.toString()));
    },
    { noAck: true },
  );
  return (number) =>
    new Promise((resolve) => {
      const correlationId = randomUUID();
      waiting.set(correlationId, resolve);
      channel.sendToQueue('example.rpc', Buffer.from(String(number)), { replyTo, correlationId });
    });
}

const { queue } = await channel.assertQueue('', { exclusive: true });
const byQueue = await caller(queue);
const direct = await caller('amq.rabbitmq.reply-to');
assert.deepEqual(await Promise.all([byQueue(7), direct(12)]), [49, 144]);
console.log('7 squared is 49, 12 squared is 144');

await channel.deleteQueue('example.rpc');
await connection.close();
await server.close();
