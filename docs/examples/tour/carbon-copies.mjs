// CC and BCC: further routing keys of one message. Consumers see CC; nobody sees BCC.
import { amqp } from './places.mjs';

const { connection, channel } = await amqp();
for (const queue of ['to', 'cc', 'bcc']) await channel.assertQueue(queue, { exclusive: true });
const headers = { CC: ['cc'], BCC: ['bcc'] };
channel.sendToQueue('to', Buffer.from('hello'), { headers });
await channel.checkQueue('to');
for (const queue of ['to', 'cc', 'bcc']) {
  const message = await channel.get(queue, { noAck: true });
  console.log(`${queue}: ${message.content}, headers ${Object.keys(message.properties.headers).join(' ')}`);
}
await connection.close();
