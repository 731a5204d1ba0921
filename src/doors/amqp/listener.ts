import { busiestOf, type ChannelReport, type ChannelReports } from './channel-report.js';
import { type AmqpPorts, DoorContext } from './context.js';
import type { AmqpCounters } from './counters.js';
import type { AmqpConnectionFacts, InspectionDepth } from './inspection.js';
import type { AmqpSocket } from './outbox.js';
import { AmqpConnection } from './session.js';
import type { SharedRoom } from './shared-room.js';

/** The AMQP 0-9-1 door of one shard: makes connections of sockets, whatever they are carried by. */
export class AmqpDoor {
  private readonly context: DoorContext;
  private readonly connections = new Set<AmqpConnection>();
  private leaving: string | undefined;
  private waiters: (() => void)[] = [];

  constructor(ports: AmqpPorts) {
    this.context = new DoorContext(ports);
  }

  /** What this shard's door has done so far; the object stays the same. */
  get counters(): AmqpCounters {
    return this.context.counters;
  }

  /** What all connections together may make the node keep. */
  get room(): SharedRoom {
    return this.context.room;
  }

  /** The channels that are open now: the `most` with the most messages under way one by one. */
  channels(most: number): ChannelReports {
    const reports: ChannelReport[] = [];
    for (const connection of this.connections) {
      for (const channel of connection.openChannels()) reports.push(channel.report());
    }
    return busiestOf(reports, most);
  }

  /**
   * Takes a socket that has just been accepted. The caller passes on its bytes, drains and end.
   * @param remoteAddress numeric.
   * @param certificate the user that the peer's verified certificate stands for, if any.
   */
  open(socket: AmqpSocket, remoteAddress: string, certificate?: string): AmqpConnection {
    const { counters } = this.context;
    counters.connections++;
    const connection: AmqpConnection = new AmqpConnection(this.context, socket, { remoteAddress, certificate }, () => {
      counters.connections--;
      this.connections.delete(connection);
      if (this.connections.size === 0) this.tellWaiters();
    });
    this.connections.add(connection);
    if (this.leaving !== undefined) connection.goAway(this.leaving);
    return connection;
  }

  /** The node stops: every client gets connection.close 320 with the reason. */
  goAway(reason: string): void {
    this.leaving = reason;
    for (const connection of [...this.connections]) connection.goAway(reason);
  }

  /** Resolves when no connection is left. */
  closed(): Promise<void> {
    if (this.connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  private tellWaiters(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }

  /** What operators are told of the open connections. */
  inspect(depth: InspectionDepth): AmqpConnectionFacts[] {
    const facts: AmqpConnectionFacts[] = [];
    for (const connection of this.connections) {
      const told = connection.describe(depth);
      if (told !== undefined) facts.push(told);
    }
    return facts;
  }

  /** Ends a connection by its name within the node, with 320 and the reason. Returns whether there was one. */
  closeConnection(id: string, reason: string): boolean {
    for (const connection of this.connections) {
      if (connection.describe('connections')?.id !== id) continue;
      connection.closeByOperator(reason);
      return true;
    }
    return false;
  }

  /** An alarm begins, or ends with undefined: connections that publish are told and not read; consumers go on. */
  setBlocked(reason: string | undefined): void {
    this.context.blockedReason = reason;
    if (reason !== undefined) return;
    for (const connection of this.connections) connection.unblock();
  }

  /** A reply that another shard's door has sent to one of this door's consumers. The bytes are borrowed. */
  deliverReply(address: string, properties: Uint8Array, body: Uint8Array): void {
    this.context.replies.deliver(address, properties, body);
  }
}
