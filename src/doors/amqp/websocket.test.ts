import { describe, expect, it } from 'vitest';
import type { WsSocket, WsSocketEvents } from '../../io/ws/port.js';
import { joined, publish } from './fixtures/client-frames.js';
import { Harness, handshake, openChannel } from './fixtures/harness.js';
import { amqpRoute } from './websocket.js';

/** A WebSocket of an engine that cannot stop to read; it notes how it is closed. */
class UnstoppableSocket {
  readonly remoteAddress = '127.0.0.1';
  closed: number | undefined;

  send(): number {
    return 0;
  }

  bufferedBytes(): number {
    return 0;
  }

  end(code: number): void {
    this.closed ??= code;
  }

  terminate(): void {}

  pause(): boolean {
    return false;
  }

  resume(): void {}
}

function carried(harness: Harness): { socket: UnstoppableSocket; events: WsSocketEvents } {
  const socket = new UnstoppableSocket();
  // The fake has what the door uses of a WebSocket.
  const events = amqpRoute(harness.door, []).open(socket as unknown as WsSocket);
  return { socket, events };
}

const large = (): Uint8Array => joined([publish(1, 'x'.repeat(1000), { key: 'q' })]);

describe('AMQP over a WebSocket that cannot be paused', () => {
  async function heldBack(limits = {}): Promise<{ harness: Harness; peers: ReturnType<typeof carried>[] }> {
    const harness = await Harness.open({ limits });
    harness.broker.addQueue('q');
    const peers = [carried(harness), carried(harness)];
    for (const { events } of peers) {
      events.message(joined([handshake(), openChannel(1)]), false);
      await harness.settle();
    }
    harness.broker.accepting = false;
    // The first publish finds out that nothing more is accepted; what follows is held.
    for (const { events } of peers) events.message(large(), false);
    return { harness, peers };
  }

  it('keeps what comes while publishers are held back, and hands it over afterwards', async () => {
    const { harness, peers } = await heldBack();
    for (let count = 0; count < 10; count++) peers[0]?.events.message(large(), false);
    expect(harness.broker.published).toHaveLength(2);
    expect(harness.door.room.takenBytes).toBeGreaterThan(10_000);
    harness.broker.accepting = true;
    await harness.clock.advanceAsync(10);
    await harness.settle();
    expect(harness.broker.published).toHaveLength(12);
    expect(harness.door.room.takenBytes).toBe(0);
  });

  it('ends the one that has sent most when all together have sent too much', async () => {
    const { harness, peers } = await heldBack({
      maxMessageBytes: 5000,
      assemblingMaxBytes: 5000,
      sharedRoomBytes: 8000,
    });
    const [greedy, modest] = peers;
    for (let count = 0; count < 5; count++) greedy?.events.message(large(), false);
    for (let count = 0; count < 4; count++) modest?.events.message(large(), false);
    expect([greedy?.socket.closed, modest?.socket.closed]).toEqual([1008, undefined]);
    // What still comes from it is dropped, and its end gives nothing back twice.
    greedy?.events.message(large(), false);
    const taken = harness.door.room.takenBytes;
    greedy?.events.close(1008, '');
    expect(harness.door.room.takenBytes).toBe(taken);
    modest?.events.close(1000, '');
    expect(harness.door.room.takenBytes).toBe(0);
  });
});
