// Confirms: the broker says which messages it has taken, and returns those that no queue wanted.
import assert from 'node:assert/strict';
import { connect } from 'amqplib';

const connection = await connect(process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672/%2f');
const channel = await connection.createConfirmChannel();
await channel.assertQueue('example.confirmed', { durable: true });
const returned: string[] = [];
channel.on('return', (message) => returned.push(message.content.toString()));

// All are sent at once and then waited for; a confirmed persistent message is on disk.
for (let number = 0; number < 20; number += 1) {
  channel.sendToQueue('example.confirmed', Buffer.from(String(number)), { persistent: true });
}
await channel.waitForConfirms();
assert.equal((await channel.checkQueue('example.confirmed')).messageCount, 20);

// A mandatory message for no queue comes back before it is confirmed.
channel.sendToQueue('example.nowhere', Buffer.from('lost'), { mandatory: true });
await channel.waitForConfirms();
assert.deepEqual(returned, ['lost']);
console.log('20 messages confirmed, the one for nobody came back');

await channel.deleteQueue('example.confirmed');
await connection.close();
