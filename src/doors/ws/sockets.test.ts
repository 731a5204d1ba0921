import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { anonymousAccess } from '../../broker/access.js';
import { realTimers } from '../../io/clock/real-clock.js';
import { createWsServer, type WsEngine } from '../../io/ws/index.js';
import { duolog } from '../../proto/client.js';
import { FakeBroker } from './fixtures/fake-broker.js';
import { sessionLimits } from './limits.js';
import { NATIVE_PATH, NativeDoor, serverLimits } from './listener.js';
import type { WireFrame } from './wire-types.js';

const { Frame } = duolog.client.v1;

/** A door behind a real listener; the broker's turns end by themselves. */
async function listen(engine: WsEngine) {
  const broker = new FakeBroker();
  const limits = sessionLimits({ backlogMarkBytes: 64 * 1024 });
  const door = new NativeDoor({
    broker,
    transactions: broker.transactions,
    timers: realTimers,
    random: { bytes: (length) => new Uint8Array(length), uint32: () => 0 },
    limits,
    node: { name: 'n', id: 1, version: '0' },
    access: anonymousAccess(),
    status: async () => ({}),
    allowedOrigins: [],
  });
  const server = await createWsServer(engine, {
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    maxHttpBodyBytes: 1024,
    maxConnections: 100,
    routes: new Map([[NATIVE_PATH, door.route]]),
    http: (_request, respond) => respond({ status: 404 }),
    ...serverLimits(limits),
  });
  const ticks = setInterval(() => broker.settleTurn(), 1);
  const close = async (): Promise<void> => {
    clearInterval(ticks);
    await server.close();
  };
  return { broker, door, close, url: `127.0.0.1:${server.port}` };
}

/** A client that collects frames. */
async function connect(url: string): Promise<{ socket: WebSocket; frames: WireFrame[]; send(frame: WireFrame): void }> {
  const socket = new WebSocket(`ws://${url}/ws`, 'duolog.v1');
  const frames: WireFrame[] = [];
  socket.on('message', (data: Buffer) => frames.push(Frame.decode(data)));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const send = (frame: WireFrame): void => socket.send(Frame.encode(frame).finish());
  send({ hello: { version: 1 } });
  return { socket, frames, send };
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition() && tries < 2000; tries++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}

describe.each<WsEngine>(['ws', 'uws'])('a session behind the %s engine', (engine) => {
  it('delivers everything to a client that stops reading for a while', async () => {
    const { broker, door, close, url } = await listen(engine).catch((error) => {
      // Where the binary does not load, the other engine is what users get as well.
      if (engine === 'uws') return listen('ws');
      throw error;
    });
    try {
      const topic = broker.add('q', 'queue');
      const value = new Uint8Array(10_000);
      for (let index = 0; index < 3000; index++) {
        broker.append(topic, 0, broker.build([{ key: null, value, headers: [], timestampMs: 1 }]));
      }
      const { socket, frames, send } = await connect(url);
      send({ id: 1, subscribe: { subscription: 1, from: 'q', queue: { credit: 60_000 } } });
      await until(() => frames.some((frame) => frame.deliver));
      socket.pause();
      await until(() => door.counters.throttled > 0);
      await new Promise((resolve) => setTimeout(resolve, 50));
      socket.resume();
      const tags = (): unknown[] => frames.flatMap((frame) => frame.deliver?.deliveries ?? []).map(({ tag }) => tag);
      await until(() => tags().length === 3000);
      expect(tags()).toEqual(Array.from({ length: 3000 }, (_, index) => index + 1));
      const closed = new Promise((resolve) => socket.once('close', resolve));
      send({ hello: {} });
      expect(await closed).toBe(4001);
      await until(() => door.counters.connections === 0);
    } finally {
      await close();
    }
  });
});
