import type { RoutingBroker } from '../../broker/ports.js';
import type { TimerHandle, Timers } from '../../io/ports.js';
import type { Form } from './frames.js';
import { MAX_PARKED_BYTES, MAX_PARKED_SESSIONS } from './limits.js';

/** What outlives its session's connection: subscriptions with what they hold. */
export interface Parkable {
  /** The connection is gone. */
  park(): void;
  /** Frames that wait for the next connection. */
  readonly heldBytes: number;
  /** Nobody came back. */
  cancelAll(): void;
}

/** What of a session outlives its connection. */
export interface SessionContent {
  readonly id: Uint8Array;
  /** The session's name to the broker. */
  readonly connection: string;
  readonly user: string;
  readonly vhost: string;
  readonly form: Form;
  readonly ownsQueues: boolean;
  readonly subscriptions: Parkable;
}

/** A session that has a connection. */
export interface LiveSession {
  /** Another connection has come for its content: it parks that and ends. */
  surrender(): void;
}

interface Parked {
  readonly content: SessionContent;
  readonly bytes: number;
  readonly timer: TimerHandle;
}

function keyOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('hex');
}

/** The sessions of one shard that a client may come back to: for a while after their connection broke, or, when the node has not noticed that, at once. */
export class ResumableSessions {
  private readonly broker: RoutingBroker;
  private readonly timers: Timers;
  private readonly live = new Map<string, LiveSession>();
  private readonly parked = new Map<string, Parked>();
  private parkedBytes = 0;

  constructor(broker: RoutingBroker, timers: Timers) {
    this.broker = broker;
    this.timers = timers;
  }

  /** Sessions that wait for their client. */
  get size(): number {
    return this.parked.size;
  }

  /** A session that can be resumed has a connection. */
  opened(id: Uint8Array, session: LiveSession): void {
    this.live.set(keyOf(id), session);
  }

  /** It has none any more. */
  closed(id: Uint8Array): void {
    this.live.delete(keyOf(id));
  }

  /** Keeps what a session holds for so long; when there is no room, the one that has waited longest is given up. */
  park(content: SessionContent, windowMs: number): void {
    content.subscriptions.park();
    const key = keyOf(content.id);
    const bytes = content.subscriptions.heldBytes;
    const timer = this.timers.setTimeout(() => this.giveUp(key), windowMs);
    timer.unref();
    this.parked.set(key, { content, bytes, timer });
    this.parkedBytes += bytes;
    while (this.parked.size > MAX_PARKED_SESSIONS || this.parkedBytes > MAX_PARKED_BYTES) {
      // The map keeps the order of arrival, and is not empty: it is over a limit.
      const [oldest = key] = this.parked.keys();
      this.giveUp(oldest);
    }
  }

  /** Hands out what a session holds to its client, who has come back. Undefined when it is not there, or somebody else's. */
  take(id: Uint8Array, user: string, vhost: string, form: Form): SessionContent | undefined {
    const key = keyOf(id);
    this.live.get(key)?.surrender();
    const content = this.parked.get(key)?.content;
    if (content === undefined || content.user !== user || content.vhost !== vhost || content.form !== form) {
      return undefined;
    }
    this.forget(key);
    return content;
  }

  private giveUp(key: string): void {
    const content = this.forget(key);
    if (content !== undefined) this.release(content);
  }

  private forget(key: string): SessionContent | undefined {
    const parked = this.parked.get(key);
    if (parked === undefined) return undefined;
    this.timers.clearTimeout(parked.timer);
    this.parked.delete(key);
    this.parkedBytes -= parked.bytes;
    return parked.content;
  }

  /** Ends a session for good: what it holds goes back, and what is its own alone goes with it. */
  release(content: SessionContent): void {
    content.subscriptions.cancelAll();
    // Nobody waits for that: what fails is done by the node's next start, which knows no volatile queues.
    if (content.ownsQueues) this.broker.connectionClosed(content.connection).catch(() => undefined);
  }
}
