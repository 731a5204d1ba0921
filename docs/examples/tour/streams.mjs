// Streams over AMQP: read from the first, the last, an offset, a time or an age on, with a filter; and every topic is one.
import { connect } from 'duolog/client';
import { amqp, DUOLOG_URL, sleep, until } from './places.mjs';

const { connection, channel } = await amqp();
await channel.assertQueue('tour.stream', { arguments: { 'x-queue-type': 'stream' } });
const send = (body, color) => {
  const headers = color === undefined ? {} : { 'x-stream-filter-value': color };
  channel.sendToQueue('tour.stream', Buffer.from(body), { headers });
};
for (const body of ['a', 'b', 'c']) send(body);
await until(async () => (await channel.checkQueue('tour.stream')).messageCount === 3);
await sleep(1500);
const middle = new Date();
await sleep(1500);
send('d', 'red');
send('e', 'blue');
await until(async () => (await channel.checkQueue('tour.stream')).messageCount === 5);

async function read(queue, args) {
  const own = await connection.createChannel();
  await own.prefetch(100);
  const seen = [];
  const options = { arguments: args };
  await own.consume(
    queue,
    (message) => {
      seen.push(`${message.content}@${message.properties.headers['x-stream-offset']}`);
      own.ack(message);
    },
    options,
  );
  if (args['x-stream-offset'] === 'next') {
    send('f');
    await until(() => seen.length > 0);
  }
  await sleep(200);
  await own.close();
  return seen.join(' ');
}
console.log(`first:     ${await read('tour.stream', { 'x-stream-offset': 'first' })}`);
const last = await read('tour.stream', { 'x-stream-offset': 'last' });
console.log(`last:      ends with e@4: ${last.endsWith('e@4') && !last.startsWith('a@0')}`);
console.log(`offset 3:  ${await read('tour.stream', { 'x-stream-offset': 3 })}`);
const seconds = Math.floor(middle.getTime() / 1000);
const timestamp = { '!': 'timestamp', value: seconds };
console.log(`timestamp: ${await read('tour.stream', { 'x-stream-offset': timestamp })}`);
console.log(`1h ago:    ${await read('tour.stream', { 'x-stream-offset': '1h' })}`);
console.log(`red only:  ${await read('tour.stream', { 'x-stream-offset': 'first', 'x-stream-filter': 'red' })}`);
console.log(`next:      ${await read('tour.stream', { 'x-stream-offset': 'next' })}`);
await channel.deleteQueue('tour.stream');

const client = await connect(DUOLOG_URL);
await client.declareTopic('tour.topic');
await client.publish('tour.topic', ['x', 'y']);
console.log(`a topic:   ${await read('tour.topic', { 'x-stream-offset': 'first' })}`);
await client.delete('tour.topic');
await client.close();
await connection.close();
