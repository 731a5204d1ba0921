import type { BrokerErrorCode } from '../../broker/errors.js';

/** What one shard's native door has done since it started; plain numbers that only grow, save the two gauges. Exported by the node. */
export interface DoorCounters {
  /** Connections open now. */
  connections: number;
  /** Subscriptions open now. */
  subscriptions: number;
  connectionsAccepted: number;
  connectionsRefused: number;
  framesIn: number;
  framesOut: number;
  bytesIn: number;
  bytesOut: number;
  /** Publish frames taken. */
  publishes: number;
  /** Messages in them; a batch counts its records. */
  messagesIn: number;
  /** Messages handed to push consumers of queues. */
  deliveries: number;
  /** Messages and batches' records handed to topic subscribers, broadcast subscribers and fetches. */
  messagesOut: number;
  confirms: number;
  /** Offsets that slow broadcast subscribers were told to have missed. */
  missed: number;
  /** Times that a session's backlog passed the mark. */
  throttled: number;
  /** Error frames sent, by code. */
  readonly errors: Map<BrokerErrorCode, number>;
  /** Connections closed by the node, by close code. */
  readonly closes: Map<number, number>;
}

/** All zero. */
export function newDoorCounters(): DoorCounters {
  return {
    connections: 0,
    subscriptions: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
    framesIn: 0,
    framesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    publishes: 0,
    messagesIn: 0,
    deliveries: 0,
    messagesOut: 0,
    confirms: 0,
    missed: 0,
    throttled: 0,
    errors: new Map(),
    closes: new Map(),
  };
}

/** Adds one to `counts[key]`. */
export function countUp<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
