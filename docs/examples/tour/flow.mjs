// Alarms, heartbeats, cancel notifications and the consumer timeout. Takes a node of its own, which thinks that its memory is full at first.
import { connect } from 'amqplib';
import { amqp, sleep, startOwnNode, takeAll, until } from './places.mjs';

const node = await startOwnNode('--memory-limit', '1MiB');
const consumer = await amqp(node.amqpUrl);
await consumer.channel.assertQueue('flow');
const publisher = await connect(node.amqpUrl);
const events = [];
publisher.on('blocked', (reason) => events.push(`blocked: ${reason}`));
const channel = await publisher.createConfirmChannel();
let confirmed = 0;
const publish = () => channel.sendToQueue('flow', Buffer.from('x'), {}, () => (confirmed += 1));
publish();
await until(() => events.length === 1 && confirmed === 1);
publish();
await sleep(300);
console.log(`the first message of a publisher is taken; ${events[0]}; of 2 messages ${confirmed} is confirmed`);
console.log(`meanwhile consumers take ${(await takeAll(consumer.channel, 'flow')).length}`);
publisher.on('error', () => undefined);
consumer.connection.on('error', () => undefined);
await node.kill();
await node.start('--memory-limit', '0', '--disk-free-limit', '1000000GiB');
const full = await connect(node.amqpUrl);
const reason = new Promise((resolve) => full.on('blocked', resolve));
(await full.createChannel()).sendToQueue('flow', Buffer.from('x'));
console.log(`with a disk that seems full: blocked: ${await reason}`);
full.on('error', () => undefined);
await node.kill();
await node.start('--memory-limit', '0', '--consumer-timeout', '1');

const alive = await connect(`${node.amqpUrl}?heartbeat=1`);
const silent = await connect(`${node.amqpUrl}?heartbeat=1`);
silent.on('error', () => undefined);
let isCut = false;
silent.on('close', () => {
  isCut = true;
});
// It neither sends nor looks for heartbeats any more.
silent.connection.heartbeater.clear();
const startedMs = Date.now();
await until(() => isCut);
console.log(`a silent client is cut after two to four heartbeats: ${Date.now() - startedMs < 5000}`);
await alive.createChannel();
console.log('one that sends heartbeats is not');

const told = await alive.createChannel();
await told.assertQueue('short', { durable: false });
const cancelled = new Promise((resolve) => {
  told.consume('short', (message) => message === null && resolve());
});
await (await alive.createChannel()).deleteQueue('short');
await cancelled;
console.log('the queue was deleted: its consumer has got a basic.cancel');

const slow = await alive.createChannel();
const closed = new Promise((resolve) => slow.on('error', resolve));
await slow.assertQueue('slow', { durable: false });
slow.sendToQueue('slow', Buffer.from('x'));
await slow.consume('slow', () => undefined);
const error = await closed;
console.log(
  `no acknowledgement within a second: ${error.code} ${/delivery acknowledgement .*timed out/.test(error.message)}`,
);
await alive.close();
await node.end();
