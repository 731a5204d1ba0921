/** AMQP 0-9-1 over WebSocket: the byte stream of a TCP connection in binary messages, cut wherever the peer likes. */
import { copyOf } from '../../base/copy.js';
import type { TlsSession } from '../../io/tls/port.js';
import { originCheck } from '../../io/ws/origin.js';
import type { UpgradeDecision, UpgradeRequest, WsRoute, WsSocket, WsSocketEvents } from '../../io/ws/port.js';
import { MAX_HELD_BYTES } from './limits.js';
import type { AmqpDoor } from './listener.js';
import type { AmqpSocket } from './outbox.js';
import type { AmqpConnection } from './session.js';
import type { RoomUser, SharedRoom } from './shared-room.js';

/** Where AMQP over WebSocket is served. */
export const AMQP_PATH = '/ws/amqp';
/** The subprotocol that clients ask for; none is fine as well. */
const AMQP_SUBPROTOCOL = 'amqp';
/** RFC 6455 §7.4.1: a message of a type that the endpoint cannot take. */
const CLOSE_UNSUPPORTED = 1003;
/** RFC 6455 §7.4.1: the peer broke a rule. */
const CLOSE_POLICY = 1008;
const CLOSE_NORMAL = 1000;

/**
 * The route of AMQP over WebSocket. `allowedOrigins`: web pages that may connect besides those of the same origin; `userOf`: the user that a
 * peer's certificate stands for.
 */
export function amqpRoute(
  door: AmqpDoor,
  allowedOrigins: readonly string[],
  userOf: (tls: TlsSession | undefined) => string | undefined = () => undefined,
): WsRoute {
  const isAllowed = originCheck(allowedOrigins);
  return {
    upgrade: (request) => decide(request, isAllowed(request.header('origin'), request.header('host'))),
    open: (socket) => new CarriedConnection(door, socket, userOf(socket.tls)),
  };
}

function decide(request: UpgradeRequest, isAllowed: boolean): UpgradeDecision {
  if (!isAllowed)
    return { accept: false, status: 403, reason: `Pages from ${request.header('origin')} may not connect` };
  if (request.subprotocols.includes(AMQP_SUBPROTOCOL)) return { accept: true, subprotocol: AMQP_SUBPROTOCOL };
  if (request.subprotocols.length === 0) return { accept: true };
  return { accept: false, status: 400, reason: `The only subprotocol here is ${AMQP_SUBPROTOCOL}` };
}

/** Makes of a WebSocket what the door takes for a TCP socket. */
class CarriedConnection implements AmqpSocket, RoomUser, WsSocketEvents {
  private readonly socket: WsSocket;
  private readonly connection: AmqpConnection;
  private readonly room: SharedRoom;
  /** Paused where the engine cannot stop reading: what came meanwhile. */
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  private isHolding = false;
  /** Too much was held: what still comes is of no interest. */
  private hasGivenUp = false;

  constructor(door: AmqpDoor, socket: WsSocket, certificate: string | undefined) {
    this.socket = socket;
    this.room = door.room;
    this.connection = door.open(this, socket.remoteAddress, certificate);
  }

  // ---- The WebSocket's events ----

  message(bytes: Uint8Array, isText: boolean): void {
    if (isText) {
      this.socket.end(CLOSE_UNSUPPORTED, 'AMQP goes in binary messages');
      return;
    }
    if (this.isHolding) this.hold(bytes);
    else this.connection.receive(bytes);
  }

  drain(): void {
    this.connection.drained();
  }

  close(): void {
    this.dropHeld();
    this.connection.socketClosed();
  }

  // ---- AmqpSocket ----

  write(bytes: Uint8Array): boolean {
    this.socket.send(bytes, false);
    return true;
  }

  bufferedBytes(): number {
    return this.socket.bufferedBytes();
  }

  pause(): void {
    if (!this.socket.pause()) this.isHolding = true;
  }

  resume(): void {
    this.socket.resume();
    if (!this.isHolding) return;
    this.isHolding = false;
    this.release();
  }

  end(): void {
    this.socket.end(CLOSE_NORMAL, '');
  }

  destroy(): void {
    this.socket.terminate();
  }

  /** All connections together hold too much, and this one most of it. */
  giveUp(): void {
    this.endHolding();
  }

  private hold(bytes: Uint8Array): void {
    if (this.hasGivenUp) return;
    if (this.heldBytes + bytes.length > MAX_HELD_BYTES || !this.room.take(this, bytes.length)) {
      this.endHolding();
      return;
    }
    this.heldBytes += bytes.length;
    this.held.push(copyOf(bytes));
  }

  private endHolding(): void {
    this.hasGivenUp = true;
    this.socket.end(CLOSE_POLICY, `${this.heldBytes} bytes came while publishers are held back`);
    this.dropHeld();
  }

  private dropHeld(): void {
    this.held = [];
    this.room.give(this, this.heldBytes);
    this.heldBytes = 0;
  }

  /** Hands over what was held, until the door wants a pause again. */
  private release(): void {
    const { held } = this;
    this.held = [];
    for (const [index, bytes] of held.entries()) {
      if (this.hasGivenUp) return;
      if (this.isHolding) {
        this.held = [...held.slice(index), ...this.held];
        return;
      }
      this.heldBytes -= bytes.length;
      this.room.give(this, bytes.length);
      this.connection.receive(bytes);
    }
  }
}
