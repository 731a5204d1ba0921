// A connection that breaks with deliveries in flight: back within the window nothing is delivered again, and late acknowledgements count.
import { connect } from 'duolog/client';
import { WebSocket } from 'ws';
import { DUOLOG_URL, sleep, until } from './places.mjs';

let socket;
const webSocket = (url) => {
  socket = new WebSocket(url);
  return socket;
};
const client = await connect(DUOLOG_URL, { webSocket, resumeWindowMs: 10_000 });
const waits = [];
client.onState(({ state, delayMs }) => state === 'reconnecting' && waits.push(delayMs));
await client.declareQueue('tour.resume');
const held = [];
const subscription = await client.subscribe('tour.resume', { prefetch: 100 });
void (async () => {
  for await (const delivery of subscription) held.push(delivery);
})();
await client.publish(
  'tour.resume',
  Array.from({ length: 50 }, (_, number) => `${number}`),
);
await until(() => held.length === 50);
for (const delivery of held.slice(0, 10)) delivery.ack();
socket.terminate();
for (const delivery of held.slice(10, 40)) delivery.ack();
console.log('the connection is cut with 50 deliveries in flight; 30 are acknowledged while it is down');
await until(() => client.state === 'open');
await sleep(300);
console.log(`back after a wait of less than a second: ${waits[0] < 1000}`);
console.log(`delivered again: ${held.length - 50}`);
const { messagesReady, messagesUnacknowledged } = await client.describe('tour.resume');
console.log(`waiting: ${messagesReady}, still with this client: ${messagesUnacknowledged}`);
for (const delivery of held.slice(40)) await delivery.ackConfirmed();
await subscription.close();
await client.delete('tour.resume');
await client.close();
