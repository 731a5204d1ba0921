import type { ReplyName } from './errors.js';

/** What one shard's AMQP door has done since it started; plain numbers that only grow, save the four gauges. Exported by the node. */
export interface AmqpCounters {
  /** Connections open now. */
  connections: number;
  /** Channels open now. */
  channels: number;
  /** Consumers open now. */
  consumers: number;
  /** Channels open now that have published. */
  publishers: number;
  /** Channels that were opened. */
  channelsOpened: number;
  connectionsAccepted: number;
  /** Connections that ended before they were open. */
  connectionsRefused: number;
  framesIn: number;
  bytesIn: number;
  bytesOut: number;
  /** Messages published. */
  publishes: number;
  publishedBytes: number;
  /** Publishes that were confirmed, and that were refused with nack. */
  confirms: number;
  nacks: number;
  /** Messages that came back to their publisher. */
  returns: number;
  /** Messages that no queue wanted, and whose publisher did not ask to get them back. */
  unroutable: number;
  deliveries: number;
  /** Of the deliveries: settled by being sent. */
  automaticDeliveries: number;
  /** Deliveries and answers to gets that were not the message's first. */
  redelivered: number;
  gets: number;
  /** Of the gets: settled by being sent. */
  automaticGets: number;
  emptyGets: number;
  acknowledged: number;
  requeued: number;
  rejected: number;
  /** Times that a connection's backlog passed the mark. */
  throttled: number;
  /** Times that a publisher was not read because of an alarm. */
  blocked: number;
  /** Channel and connection exceptions, by name. */
  readonly errors: Map<ReplyName, number>;
}

/** All zero. */
export function newAmqpCounters(): AmqpCounters {
  return {
    connections: 0,
    channels: 0,
    consumers: 0,
    publishers: 0,
    channelsOpened: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
    framesIn: 0,
    bytesIn: 0,
    bytesOut: 0,
    publishes: 0,
    publishedBytes: 0,
    confirms: 0,
    nacks: 0,
    returns: 0,
    unroutable: 0,
    deliveries: 0,
    automaticDeliveries: 0,
    redelivered: 0,
    gets: 0,
    automaticGets: 0,
    emptyGets: 0,
    acknowledged: 0,
    requeued: 0,
    rejected: 0,
    throttled: 0,
    blocked: 0,
    errors: new Map(),
  };
}

/** Adds one to `counts[key]`. */
export function countUp<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
