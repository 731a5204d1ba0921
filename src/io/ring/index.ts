export { type MeshBudget, minimumMeshBytes, planMeshBudget } from './budget.js';
export { correlationSlot } from './credit.js';
export { type Doorbells, InThreadDoorbells, PortDoorbells } from './doorbell.js';
export { type HeldBody, InboundMessage } from './inbound-message.js';
export { DEFAULT_TABLE_SLOTS, MAX_SHARDS } from './limits.js';
export { createDoorbellPorts, createMeshLayout, type MeshLayout } from './mesh-layout.js';
export { type OverflowOptions, type OverflowOutcome, OverflowQueue } from './overflow-queue.js';
export {
  freePartitionRow,
  PARTITION_VALUE,
  type PartitionRow,
  PartitionTable,
  type PartitionValue,
} from './partition-table.js';
export { type ContentWriter, type MessageHandlers, PeerChannel, REFUSED } from './peer-channel.js';
export { RingError, type RingErrorCode } from './ring-error.js';
export { type MeshSchedule, type ShardHandlers, ShardMesh } from './shard-mesh.js';
