// Nothing twice: a producer whose connection breaks in the midst, and a handler that runs once for each key.
import { connect, createOnce, memoryOnceStore } from 'duolog/client';
import { DUOLOG_URL, until } from './places.mjs';

const sockets = new Set();
const webSocket = (url) => {
  const socket = new WebSocketOf(url);
  sockets.add(socket);
  return socket;
};
const { WebSocket: WebSocketOf } = await import('ws');
const client = await connect(DUOLOG_URL, { webSocket, reconnect: { firstDelayMs: 10 } });
await client.declareTopic('once');
const producer = client.producer({ to: 'once' });
const sends = [];
for (let number = 0; number < 5000; number += 1) {
  sends.push(producer.send(`${number}`));
  // The connection is cut again and again, with publishes on their way.
  if (number % 500 === 250) {
    await new Promise((resolve) => setImmediate(resolve));
    for (const socket of sockets) socket.terminate();
    sockets.clear();
    await until(() => client.state === 'open');
  }
}
await Promise.all(sends);
const { partitions } = await client.describe('once');
console.log(`5000 sends over cut connections: ${partitions[0].end - partitions[0].logStart} messages in the topic`);
await producer.close();
await client.delete('once');
await client.close();

const once = createOnce(memoryOnceStore({ maxKeys: 1000, windowMs: 60_000 }));
const charged = [];
for (const order of ['17', '18', '17', '17']) await once(order, async () => charged.push(order));
console.log(`orders 17, 18, 17, 17 were handled as ${charged.join(', ')}`);
