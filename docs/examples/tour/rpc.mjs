// Requests and replies: over AMQP by direct reply-to, over the native protocol by request() and serve().
import { connect } from 'duolog/client';
import { amqp, DUOLOG_URL } from './places.mjs';

const { connection, channel } = await amqp();
const { queue } = await channel.assertQueue('', { exclusive: true });
await channel.consume(
  queue,
  (request) => {
    const { replyTo, correlationId } = request.properties;
    channel.sendToQueue(replyTo, Buffer.from(String(request.content).toUpperCase()), { correlationId });
  },
  { noAck: true },
);
const reply = await new Promise((resolve) => {
  channel.consume('amq.rabbitmq.reply-to', resolve, { noAck: true }).then(() => {
    channel.sendToQueue(queue, Buffer.from('hello'), { replyTo: 'amq.rabbitmq.reply-to', correlationId: '42' });
  });
});
console.log(`AMQP: ${reply.content}, correlation id ${reply.properties.correlationId}`);
await connection.close();

const server = await connect(DUOLOG_URL);
await server.declareQueue('squares', { durable: false, autoDelete: true });
const serving = await server.serve('squares', (request) => String(Number(request.text()) ** 2));
const client = await connect(DUOLOG_URL);
console.log(`native: 12 squared is ${(await client.request('squares', '12')).text()}`);
console.log(`nobody serves: ${await client.request('cubes', '12').catch(({ code }) => code)}`);
await client.close();
await serving.stop();
await server.close();
