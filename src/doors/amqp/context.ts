import type { AccessControl } from '../../broker/access.js';
import type { Broker, RoutingBroker } from '../../broker/ports.js';
import type { Clock, Random, Timers } from '../../io/ports.js';
import { type AmqpCounters, newAmqpCounters } from './counters.js';
import { type DirectReplyPort, ReplyConsumers } from './direct-reply.js';
import type { AmqpLimits } from './limits.js';
import { WriterPool } from './outbox.js';
import { SharedRoom } from './shared-room.js';
import { ShortStrings } from './short-strings.js';
import type { TransactionPort } from './transaction-port.js';

/** What the node gives its AMQP door on one shard. */
export interface AmqpPorts {
  readonly broker: Broker & RoutingBroker;
  readonly access: AccessControl;
  readonly timers: Timers;
  readonly random: Random;
  readonly clock: Clock;
  readonly limits: AmqpLimits;
  readonly node: { readonly name: string; readonly version: string };
  /** Has a step run at the end of each turn that asks for it by calling the result. Absent: such a turn is one of the timers'. */
  readonly atEndOfTurn?: (step: () => void) => () => void;
  /** Absent: tx.select is answered with 540. */
  readonly transactions?: TransactionPort;
  /** Absent: replies reach consumers of the same shard only. */
  readonly replies?: DirectReplyPort;
}

/** Something with work left for the end of the turn. */
export interface TurnEnd {
  flushTurn(): void;
}

/** Bytes of randomness in names that the node gives: 22 characters. */
const NAME_BYTES = 16;

/** What the connections of one shard share. */
export class DoorContext {
  readonly ports: AmqpPorts;
  readonly counters: AmqpCounters = newAmqpCounters();
  readonly writers = new WriterPool();
  readonly strings = new ShortStrings();
  readonly replies: ReplyConsumers;
  readonly room: SharedRoom;
  /** Why publishers are not read; undefined = they are. */
  blockedReason: string | undefined;
  private marked: TurnEnd[] = [];
  private nextConnection = 1;
  private readonly askForEnd: () => void;
  private readonly runMarked = (): void => {
    const { marked } = this;
    if (marked.length === 0) return;
    this.marked = [];
    for (const item of marked) item.flushTurn();
  };

  constructor(ports: AmqpPorts) {
    this.ports = ports;
    const { timers, atEndOfTurn } = ports;
    this.askForEnd = atEndOfTurn?.(this.runMarked) ?? (() => timers.setImmediate(this.runMarked));
    this.room = new SharedRoom(ports.limits.sharedRoomBytes);
    this.replies = new ReplyConsumers(ports.broker.shard, ports.random, ports.replies);
  }

  /** Runs `item.flushTurn` once at the end of this event-loop turn; the caller remembers that it has asked. */
  mark(item: TurnEnd): void {
    if (this.marked.length === 0) this.askForEnd();
    this.marked.push(item);
  }

  /** A name for a queue or consumer that its client left to the node. */
  newName(prefix: string): string {
    return `${prefix}${Buffer.from(this.ports.random.bytes(NAME_BYTES)).toString('base64url')}`;
  }

  /** A name for a connection, which no other of any shard and start has. */
  newConnectionName(): string {
    return this.newName(`amqp-${this.ports.broker.shard}-${this.nextConnection++}-`);
  }
}
