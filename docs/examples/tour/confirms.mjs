// Publisher confirms: a number for each publish, nack when a queue refuses it, and a return before its ack.
import { connect } from 'amqplib';
import { AMQP_URL } from './places.mjs';

const connection = await connect(AMQP_URL);
const channel = await connection.createConfirmChannel();
const { queue } = await channel.assertQueue('', { exclusive: true });
for (let number = 1; number <= 1000; number += 1) channel.sendToQueue(queue, Buffer.from('x'), { persistent: true });
await channel.waitForConfirms();
console.log('1000 publishes are confirmed, each by its number');

const events = [];
channel.on('return', ({ fields }) => events.push(`return ${fields.replyCode} ${fields.replyText}`));
await new Promise((resolve) => {
  channel.publish('', 'nowhere', Buffer.from('x'), { mandatory: true }, (error) => {
    events.push(error === null || error === undefined ? 'ack' : 'nack');
    resolve();
  });
});
console.log(`nobody wants it: ${events.join(', then ')}`);

const small = await channel.assertQueue('', {
  exclusive: true,
  arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
});
const outcomes = [];
for (let number = 1; number <= 3; number += 1) {
  channel.sendToQueue(small.queue, Buffer.from('x'), {}, (error) => outcomes.push(error ? 'nack' : 'ack'));
}
await channel.waitForConfirms().catch(() => undefined);
console.log(`a queue for one message, three publishes: ${outcomes.join(' ')}`);
await connection.close();
