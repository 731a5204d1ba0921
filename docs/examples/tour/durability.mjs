// What survives kill -9: durable exchanges, queues and bindings, what was confirmed, and delays, which fire on time. Takes a node of its own.
import { amqp, sleep, startOwnNode, takeAll, until } from './places.mjs';

const node = await startOwnNode();
const before = await amqp(node.amqpUrl);
before.connection.on('error', () => undefined);
const confirmed = await before.connection.createConfirmChannel();
await confirmed.assertExchange('kept', 'direct', { durable: true });
await confirmed.assertExchange('gone', 'direct', { durable: false });
await confirmed.assertQueue('kept', { durable: true });
await confirmed.assertQueue('gone', { durable: false });
await confirmed.bindQueue('kept', 'kept', 'key');
await confirmed.assertExchange('later', 'x-delayed-message', { arguments: { 'x-delayed-type': 'direct' } });
await confirmed.bindQueue('kept', 'later', 'key');
for (const body of ['1', '2', '3']) confirmed.publish('kept', 'key', Buffer.from(body), { persistent: true });
confirmed.publish('gone', 'key', Buffer.from('nobody'));
const dueMs = Date.now() + 4000;
confirmed.publish('later', 'key', Buffer.from('delayed'), { persistent: true, headers: { 'x-delay': 4000 } });
await confirmed.waitForConfirms();
console.log('3 messages and a delayed one are confirmed: kill -9');
await node.kill('SIGKILL');
await node.start();

const after = await amqp(node.amqpUrl);
console.log(`durable queue: ${(await takeAll(after.channel, 'kept')).join(' ')}`);
after.channel.publish('kept', 'key', Buffer.from('bound'));
await until(async () => (await after.channel.checkQueue('kept')).messageCount === 1);
console.log(`durable exchange and binding: ${(await takeAll(after.channel, 'kept')).join(' ')}`);
for (const check of ['checkQueue', 'checkExchange']) {
  const channel = await after.connection.createChannel();
  channel.on('error', () => undefined);
  const code = await channel[check]('gone').then(
    () => 'there',
    (error) => error.code,
  );
  console.log(`transient ${check === 'checkQueue' ? 'queue' : 'exchange'}: ${code}`);
}
await sleep(Math.max(0, dueMs - Date.now() - 100));
console.log(`before its time: ${(await takeAll(after.channel, 'kept')).length} messages`);
const delayed = await until(() => after.channel.get('kept', { noAck: true }));
const lateMs = Date.now() - dueMs;
console.log(`${delayed.content}: on time, ${lateMs >= 0 && lateMs < 500}`);
await after.connection.close();
await node.end();
