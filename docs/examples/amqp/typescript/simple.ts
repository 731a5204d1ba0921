// Simple: one program sends a message to a queue, another takes it out.
import assert from 'node:assert/strict';
import { connect } from 'amqplib';

const connection = await connect(process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672/%2f');
const channel = await connection.createChannel();
await channel.assertQueue('example.simple', { durable: false });

// This goes through the default exchange, whose name is empty: it sends a message to the queue named by the routing key.
channel.sendToQueue('example.simple', Buffer.from('Hello'));

const message = await channel.get('example.simple', { noAck: true });
assert.ok(message !== false);
assert.equal(message.content.toString(), 'Hello');
console.log('received Hello');

await channel.deleteQueue('example.simple');
await connection.close();
