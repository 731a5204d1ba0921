/** What one shard tells of its open connections. */
import type { AmqpConnectionFacts, InspectionDepth } from '../../doors/amqp/index.js';
import type { NativeSessionFacts } from '../../doors/ws/index.js';

export type { InspectionDepth } from '../../doors/amqp/index.js';

/** Plain values: it is cloned between threads. */
export interface ShardInspection {
  readonly shard: number;
  readonly amqp: readonly AmqpConnectionFacts[];
  readonly native: readonly NativeSessionFacts[];
}

/** Doors that can be looked into. */
export interface InspectedDoors {
  readonly amqp: {
    inspect(depth: InspectionDepth): AmqpConnectionFacts[];
    closeConnection(id: string, reason: string): boolean;
  };
  readonly native: { inspect(): NativeSessionFacts[]; closeSession(id: string, reason: string): boolean };
}

/** Looks into a shard's doors. */
export function inspectDoors(shard: number, { amqp, native }: InspectedDoors, depth: InspectionDepth): ShardInspection {
  return { shard, amqp: amqp.inspect(depth), native: depth === 'connections' ? native.inspect() : [] };
}

/** Ends a connection of any door, if it is one of this shard. */
export function closeByOperator({ amqp, native }: InspectedDoors, id: string, reason: string): void {
  if (!amqp.closeConnection(id, reason)) native.closeSession(id, reason);
}
