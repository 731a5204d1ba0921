// The same work through `duolog/client`, as a program would do it: what a user of the client gets, client and node on one machine.
import { built } from '../harness/built.mjs';
import { nowMs } from '../harness/measures.mjs';

const { connect } = await built('client/index.js');
const LEVEL_NAMES = { 1: 'memory', 2: 'disk' };
const PREFETCH = 4000;
const MESSAGES_BETWEEN_LOOKS = 256;

const open = (port) => connect(`ws://127.0.0.1:${port}/ws`, { clientName: 'bench' });

/** Enqueues messages for some time and waits for their confirms. */
async function clientPublish({ port, to, valueBytes, durability, warmUpSeconds, seconds }) {
  const client = await open(port);
  const value = new Uint8Array(valueBytes).fill(120);
  const publishFor = async (duration) => {
    const producer = client.producer({ to, durability: LEVEL_NAMES[durability] });
    const startedMs = nowMs();
    let messages = 0;
    while (nowMs() - startedMs < duration * 1000) {
      for (let index = 0; index < MESSAGES_BETWEEN_LOOKS; index++) {
        messages++;
        if (!producer.enqueue(value)) await producer.ready();
      }
      // The event loop gets its turn, as it does in a program that has something to publish.
      await new Promise(setImmediate);
    }
    await producer.close();
    return { messages, seconds: (nowMs() - startedMs) / 1000 };
  };
  await publishFor(warmUpSeconds);
  return async () => {
    const result = await publishFor(seconds);
    await client.close();
    return { ...result, bytes: result.messages * valueBytes };
  };
}

/** Reads a topic by offset until `messages` came, batch by batch, and looks at every record. */
async function clientPull({ port, from, messages }) {
  const client = await open(port);
  return async () => {
    const startedMs = nowMs();
    let [received, bytes] = [0, 0];
    for await (const record of client.reader(from, { from: 'beginning' })) {
      bytes += record.value.length;
      if (++received === messages) break;
    }
    const seconds = (nowMs() - startedMs) / 1000;
    await client.close();
    return { messages: received, bytes, seconds };
  };
}

/** Consumes a queue, acknowledging each message. */
async function clientPush({ port, from, messages }) {
  const client = await open(port);
  return async () => {
    const startedMs = nowMs();
    let [received, bytes] = [0, 0];
    for await (const delivery of await client.subscribe(from, { prefetch: PREFETCH })) {
      bytes += delivery.value.length;
      delivery.ack();
      if (++received === messages) break;
    }
    const seconds = (nowMs() - startedMs) / 1000;
    await client.close();
    return { messages: received, bytes, seconds };
  };
}

/** Loads for generator.mjs. */
export const clientLoads = { clientPublish, clientPull, clientPush };
