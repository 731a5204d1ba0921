import type { AccessControl } from '../../broker/access.js';
import type { DelayedMessages } from '../../broker/delay/requests.js';
import type { Broker, QueueInspection, RoutingBroker } from '../../broker/ports.js';
import type { Transactions } from '../../broker/transactions/port.js';
import type { Random, Timers } from '../../io/ports.js';
import { BroadcastHub } from './broadcast-hub.js';
import { type DoorCounters, newDoorCounters } from './counters.js';
import type { SessionLimits } from './limits.js';
import { ResumableSessions } from './resumable-sessions.js';
import type { WireKind } from './wire-types.js';
import { WriterPool } from './writer-pool.js';

/** The node as Welcome presents it. */
export interface NodeIdentity {
  readonly name: string;
  readonly id: number;
  readonly version: string;
}

/** The answer to Status, in the protocol's own terms. */
export type NodeStatusAnswer = WireKind<'nodeStatus'>;

/** What the node gives its native door on one shard. */
export interface DoorPorts {
  readonly broker: Broker & RoutingBroker & QueueInspection & DelayedMessages;
  readonly transactions: Transactions;
  readonly timers: Timers;
  readonly random: Random;
  readonly limits: SessionLimits;
  readonly node: NodeIdentity;
  readonly access: AccessControl;
  /** Milliseconds since 1970; absent = operators are not told since when sessions are open, nor sessions how long their tokens count. */
  readonly nowMs?: () => number;
  status(): Promise<NodeStatusAnswer>;
}

/** Something with work left for the end of the turn. */
export interface TurnEnd {
  flushTurn(): void;
}

/** How long a session waits before it asks again whether the broker accepts publishes, in milliseconds. */
const ACCEPTING_POLL_MS = 2;

/** What the sessions of one shard share. */
export class DoorContext {
  readonly ports: DoorPorts;
  readonly counters: DoorCounters = newDoorCounters();
  readonly writers = new WriterPool();
  readonly hub: BroadcastHub;
  readonly resumable: ResumableSessions;
  private marked: TurnEnd[] = [];
  private readonly runMarked = (): void => {
    const { marked } = this;
    this.marked = [];
    for (const item of marked) item.flushTurn();
  };

  constructor(ports: DoorPorts) {
    this.ports = ports;
    this.resumable = new ResumableSessions(ports.broker, ports.timers);
    this.hub = new BroadcastHub(ports.broker, this.writers);
  }

  /** Runs `item.flushTurn` once at the end of this event-loop turn; the caller remembers that it has asked. */
  mark(item: TurnEnd): void {
    if (this.marked.length === 0) this.ports.timers.setImmediate(this.runMarked);
    this.marked.push(item);
  }

  /** Runs `item.flushTurn` a little later: while the broker does not accept publishes, confirms are held back. */
  markLater(item: TurnEnd): void {
    this.ports.timers.setTimeout(() => item.flushTurn(), ACCEPTING_POLL_MS).unref();
  }
}
