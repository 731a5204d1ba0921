import type { TlsSession } from '../../io/tls/port.js';
import { originCheck } from '../../io/ws/origin.js';
import type { UpgradeDecision, UpgradeRequest, WsRoute, WsSocket, WsSocketEvents } from '../../io/ws/port.js';
import { DoorContext, type DoorPorts } from './context.js';
import type { DoorCounters } from './counters.js';
import type { NativeSessionFacts } from './inspection.js';
import { hardBacklogBytes, type SessionLimits } from './limits.js';
import { Session } from './session.js';

/** Where the native protocol is served. */
export const NATIVE_PATH = '/ws';
/** The subprotocol that a client may ask for; none is fine as well. */
export const NATIVE_SUBPROTOCOL = 'duolog.v1';

/** What the node gives the door on one shard. */
export interface NativeDoorOptions extends DoorPorts {
  /** Origins of web pages that may connect besides those of the same origin, e.g. `https://console.example.org`. */
  readonly allowedOrigins: readonly string[];
  /** The user that a peer's verified certificate stands for. */
  readonly userOf?: (tls: TlsSession | undefined) => string | undefined;
}

/** What the listener's server must be given so that it does not end sessions before they end themselves. */
export function serverLimits(limits: SessionLimits): {
  readonly maxMessageBytes: number;
  readonly maxBackpressureBytes: number;
  readonly idleTimeoutSeconds: number;
} {
  return {
    maxMessageBytes: limits.maxFrameBytes,
    // A session looks at its backlog before each send, so it is always first to notice.
    maxBackpressureBytes: hardBacklogBytes(limits) + limits.maxFrameBytes,
    idleTimeoutSeconds: Math.ceil(limits.idleTimeoutMs / 1000),
  };
}

/** What the door notes of a session's socket. */
interface SocketRecord {
  readonly socket: WsSocket;
  readonly connectedMs: number;
  receivedBytes: number;
}

/** The native door of one shard: gives its route to the shard's listener, and its counters to the metrics. */
export class NativeDoor {
  readonly route: WsRoute;
  private readonly context: DoorContext;
  private readonly sessions = new Map<Session, SocketRecord>();
  private readonly nowMs: () => number;
  private readonly userOf: (tls: TlsSession | undefined) => string | undefined;
  private isLeaving = false;

  constructor(options: NativeDoorOptions) {
    this.context = new DoorContext(options);
    this.nowMs = options.nowMs ?? (() => 0);
    this.userOf = options.userOf ?? (() => undefined);
    const isAllowed = originCheck(options.allowedOrigins);
    this.route = {
      upgrade: (request) => this.decide(request, isAllowed(request.header('origin'), request.header('host'))),
      open: (socket) => this.open(socket),
    };
  }

  /** What this shard's door has done so far; the object stays the same. */
  get counters(): DoorCounters {
    return this.context.counters;
  }

  private decide(request: UpgradeRequest, isAllowed: boolean): UpgradeDecision {
    const refusal = this.refusal(request, isAllowed);
    if (refusal !== undefined) {
      this.counters.connectionsRefused++;
      return refusal;
    }
    if (!request.subprotocols.includes(NATIVE_SUBPROTOCOL)) return { accept: true };
    return { accept: true, subprotocol: NATIVE_SUBPROTOCOL };
  }

  private refusal(request: UpgradeRequest, isAllowed: boolean): UpgradeDecision | undefined {
    if (this.isLeaving) return { accept: false, status: 503, reason: 'The node is shutting down' };
    if (!isAllowed) {
      return { accept: false, status: 403, reason: `Pages from ${request.header('origin')} may not connect` };
    }
    if (request.subprotocols.length === 0 || request.subprotocols.includes(NATIVE_SUBPROTOCOL)) return undefined;
    return { accept: false, status: 400, reason: `The only subprotocol here is ${NATIVE_SUBPROTOCOL}` };
  }

  private open(socket: WsSocket): WsSocketEvents {
    const session = new Session(this.context, socket, socket.remoteAddress, this.userOf(socket.tls));
    const record: SocketRecord = { socket, connectedMs: this.nowMs(), receivedBytes: 0 };
    this.sessions.set(session, record);
    this.counters.connections++;
    this.counters.connectionsAccepted++;
    return {
      message: (bytes, isText) => {
        record.receivedBytes += bytes.length;
        session.receive(bytes, isText);
      },
      drain: () => session.drained(),
      close: (code) => {
        this.sessions.delete(session);
        this.counters.connections--;
        session.closed(code);
      },
    };
  }

  /** The node stops: clients are told, new ones and new publishes are refused. The server then closes the connections with 1001. */
  goAway(reason: string): void {
    this.isLeaving = true;
    for (const session of this.sessions.keys()) session.goAway(reason);
  }

  /** What operators are told of the open sessions. */
  inspect(): NativeSessionFacts[] {
    const facts: NativeSessionFacts[] = [];
    for (const [session, { socket, connectedMs, receivedBytes }] of this.sessions) {
      const told = session.describe();
      if (told === undefined) continue;
      const { remoteAddress, tls } = socket;
      const pendingBytes = socket.bufferedBytes();
      facts.push({ ...told, remoteAddress, tls, connectedMs, receivedBytes, sentBytes: 0, pendingBytes });
    }
    return facts;
  }

  /** Ends a session by its name within the node. Returns whether there was one. */
  closeSession(id: string, reason: string): boolean {
    for (const session of this.sessions.keys()) {
      if (session.describe()?.id !== id) continue;
      session.closeByOperator(reason);
      return true;
    }
    return false;
  }
}
