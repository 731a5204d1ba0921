// AMQP 0-9-1 in the binary messages of a WebSocket. amqplib speaks TCP only: a bridge of a few lines carries its bytes as they are, so that the client
// itself knows of nothing. (In browsers @cloudamqp/amqp-client does the same by itself: docs/examples/amqp/browser.)
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createWebSocketStream, WebSocket } from 'ws';
import { amqp, DUOLOG_URL } from './places.mjs';

const bridge = createServer((socket) => {
  const carrier = createWebSocketStream(new WebSocket(DUOLOG_URL.replace(/\/ws$/, '/ws/amqp'), ['amqp']));
  socket.pipe(carrier).pipe(socket);
});
bridge.listen(0, '127.0.0.1');
await once(bridge, 'listening');

const { connection } = await amqp(`amqp://guest:guest@127.0.0.1:${bridge.address().port}/%2f`);
const channel = await connection.createConfirmChannel();
const { queue } = await channel.assertQueue('', { exclusive: true });
channel.sendToQueue(queue, Buffer.from('hello over WebSocket'));
await channel.waitForConfirms();
console.log(String((await channel.get(queue, { noAck: true })).content));
await connection.close();
bridge.close();
