// @cloudamqp/amqp-client in a page: AMQP over WebSocket, straight to the broker.
import { AMQPWebSocketClient } from '@cloudamqp/amqp-client';

/** Publishes texts through a topic exchange and gives back what came to a queue of the page's own. */
async function roundTrip(url: string, texts: readonly string[]): Promise<(string | null)[]> {
  const client = new AMQPWebSocketClient({ url, username: 'guest', password: 'guest', vhost: '/' });
  const connection = await client.connect();
  const channel = await connection.channel();
  await channel.confirmSelect();
  await channel.exchangeDeclare('example.page', 'topic', { durable: false, autoDelete: true });
  const { name: queue } = await channel.queueDeclare('', { exclusive: true });
  await channel.queueBind(queue, 'example.page', 'text.*');
  for (const text of texts) await channel.basicPublish('example.page', 'text.own', text);

  const received: (string | null)[] = [];
  await new Promise<void>((resolve, reject) => {
    setTimeout(() => reject(new Error('The texts did not come')), 10_000);
    void channel.basicConsume(queue, { noAck: false }, async (message) => {
      received.push(message.bodyString());
      await message.ack();
      if (received.length === texts.length) resolve();
    });
  });
  await connection.close();
  return received;
}

Object.assign(globalThis, { roundTrip });
