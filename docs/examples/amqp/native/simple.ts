// Simple, by Duolog's own client: one program sends a message to a queue, another takes it out. Browsers can do the same.
import assert from 'node:assert/strict';
import { connect } from 'duolog/client';

const client = await connect(process.env['DUOLOG_URL'] ?? 'ws://127.0.0.1:7700/ws');
await client.declareQueue('example-native-simple');
await client.publish('example-native-simple', 'Hello');

for await (const delivery of await client.subscribe('example-native-simple', { prefetch: 1 })) {
  assert.equal(delivery.text(), 'Hello');
  delivery.ack();
  console.log('received Hello');
  break;
}

await client.delete('example-native-simple');
await client.close();
