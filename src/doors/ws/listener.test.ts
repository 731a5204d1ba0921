import { describe, expect, it } from 'vitest';
import { anonymousAccess } from '../../broker/access.js';
import { realTimers } from '../../io/clock/real-clock.js';
import { originCheck } from '../../io/ws/origin.js';
import type { UpgradeRequest, WsSocket } from '../../io/ws/port.js';
import { FakeBroker } from './fixtures/fake-broker.js';
import { FakeSocket, utf8 } from './fixtures/harness.js';
import { sessionLimits } from './limits.js';
import { NativeDoor, serverLimits } from './listener.js';

function newDoor(): NativeDoor {
  return new NativeDoor({
    broker: new FakeBroker(),
    transactions: new FakeBroker().transactions,
    timers: realTimers,
    random: { bytes: (length) => new Uint8Array(length), uint32: () => 0 },
    limits: sessionLimits(),
    node: { name: 'n', id: 1, version: '0' },
    access: anonymousAccess(),
    status: async () => ({}),
    allowedOrigins: ['https://console.example.org'],
  });
}

function handshake(headers: Record<string, string>, subprotocols: readonly string[] = []): UpgradeRequest {
  return {
    path: '/ws',
    query: '',
    remoteAddress: '127.0.0.1',
    subprotocols,
    header: (name) => headers[name] ?? '',
  };
}

class RouteSocket extends FakeSocket implements WsSocket {
  readonly remoteAddress = '127.0.0.1';
  readonly path = '/ws';
  readonly query = '';
  readonly subprotocol = '';
  readonly isOpen = true;
  cork(fn: () => void): void {
    fn();
  }
  terminate(): void {}
  ping(): void {}
}

describe('originCheck', () => {
  const check = originCheck(['https://console.example.org']);
  it.each([
    ['', 'h:7700', true],
    ['http://h:7700', 'h:7700', true],
    ['https://H:7700', 'h:7700', true],
    ['https://console.example.org', 'h:7700', true],
    ['http://console.example.org', 'h:7700', false],
    ['https://console.example.org.evil.example', 'h:7700', false],
    ['http://h', 'h:7700', false],
    ['http://h:7700/', 'h:7700', false],
    ['http://evil@h:7700', 'h:7700', false],
    ['null', 'h:7700', false],
    ['file://', 'h:7700', false],
    ['http://h:7700', '', false],
  ])('origin %s to host %s: %s', (origin, host, allowed) => {
    expect(check(origin, host)).toBe(allowed);
  });
});

describe('NativeDoor', () => {
  it('decides on handshakes by origin and subprotocol', () => {
    const { route, counters } = newDoor();
    expect(route.upgrade(handshake({}))).toEqual({ accept: true });
    expect(route.upgrade(handshake({}, ['x', 'duolog.v1']))).toEqual({ accept: true, subprotocol: 'duolog.v1' });
    expect(route.upgrade(handshake({}, ['mqtt']))).toMatchObject({ accept: false, status: 400 });
    expect(route.upgrade(handshake({ origin: 'http://evil', host: 'h' }))).toMatchObject({
      accept: false,
      status: 403,
    });
    expect(counters.connectionsRefused).toBe(2);
  });

  it('joins a socket and a session, counts, and says goodbye', () => {
    const door = newDoor();
    const socket = new RouteSocket();
    const events = door.route.open(socket);
    events.message(utf8('{"hello":{"version":1}}'), true);
    expect(socket.sent[0]).toContain('welcome');
    expect(door.counters).toMatchObject({ connections: 1, connectionsAccepted: 1, framesIn: 1, framesOut: 1 });
    door.goAway('stopping');
    expect(socket.sent[1]).toContain('"goAway":{"reason":"stopping"}');
    expect(door.route.upgrade(handshake({}))).toMatchObject({ accept: false, status: 503 });
    events.close(1001, '');
    expect(door.counters.connections).toBe(0);
    door.goAway('again');
    expect(socket.sent).toHaveLength(2);
  });

  it('gives the server limits that let a session notice first', () => {
    const limits = sessionLimits();
    const server = serverLimits(limits);
    expect(server.maxMessageBytes).toBe(limits.maxFrameBytes);
    expect(server.maxBackpressureBytes).toBeGreaterThan(limits.backlogMarkBytes + limits.maxFrameBytes);
    expect(server.idleTimeoutSeconds).toBe(120);
  });
});
