import { BugError } from './assert.js';

declare const brand: unique symbol;

/** A number that the type system keeps apart from other numbers; at run time it is a plain number. */
type Branded<Name extends string> = number & { readonly [brand]: Name };

/** Names one partition log for ever: never used again, even after the log is deleted. */
export type LogId = Branded<'LogId'>;
/** Names a topic for ever. */
export type TopicId = Branded<'TopicId'>;
/** Position of a record in its partition log. Below 2^53. */
export type Offset = Branded<'Offset'>;
/** Counts the leaders that a partition has had; -1 where unknown. */
export type LeaderEpoch = Branded<'LeaderEpoch'>;
/** Names an idempotent or transactional producer; -1 for none. */
export type ProducerId = Branded<'ProducerId'>;
/** Fences older incarnations of a producer id; -1 for none. Fits 16 bits. */
export type ProducerEpoch = Branded<'ProducerEpoch'>;
/** Index of a partition in its topic, from 0. */
export type PartitionIndex = Branded<'PartitionIndex'>;
/** A node of the cluster, from 1. */
export type NodeId = Branded<'NodeId'>;
/** Index of a shard in its node, from 0. */
export type ShardIndex = Branded<'ShardIndex'>;
/** Counts the changes to the metadata image. */
export type MetadataVersion = Branded<'MetadataVersion'>;

/** The leader epoch of a batch or request that carries none. */
export const NO_LEADER_EPOCH = -1 as LeaderEpoch;
/** The producer id of a batch from a producer that has none. */
export const NO_PRODUCER_ID = -1 as ProducerId;
/** The producer epoch of a batch from a producer that has none. */
export const NO_PRODUCER_EPOCH = -1 as ProducerEpoch;
/** The base sequence of a batch from a producer that has no id. */
export const NO_SEQUENCE = -1;

const INT16_MAX = 0x7fff;
const INT32_MAX = 0x7fffffff;

function checked(name: string, value: number, min: number, max: number): number {
  // Not `assert`: its message would be made on every call.
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new BugError(`${name} is out of range: ${value}`);
}

/** @throws BugError unless `value` is an integer from 0 to 2^53-1. */
export function logId(value: number): LogId {
  return checked('LogId', value, 0, Number.MAX_SAFE_INTEGER) as LogId;
}

/** @throws BugError unless `value` is an integer from 0 to 2^53-1. */
export function topicId(value: number): TopicId {
  return checked('TopicId', value, 0, Number.MAX_SAFE_INTEGER) as TopicId;
}

/** @throws BugError unless `value` is an integer from 0 to 2^53-1. */
export function offset(value: number): Offset {
  return checked('Offset', value, 0, Number.MAX_SAFE_INTEGER) as Offset;
}

/** @throws BugError unless `value` is an integer from -1 to 2^31-1. */
export function leaderEpoch(value: number): LeaderEpoch {
  return checked('LeaderEpoch', value, -1, INT32_MAX) as LeaderEpoch;
}

/** @throws BugError unless `value` is an integer from -1 to 2^53-1. */
export function producerId(value: number): ProducerId {
  return checked('ProducerId', value, -1, Number.MAX_SAFE_INTEGER) as ProducerId;
}

/** @throws BugError unless `value` is an integer from -1 to 2^15-1. */
export function producerEpoch(value: number): ProducerEpoch {
  return checked('ProducerEpoch', value, -1, INT16_MAX) as ProducerEpoch;
}

/** @throws BugError unless `value` is an integer from 0 to 2^31-1. */
export function partitionIndex(value: number): PartitionIndex {
  return checked('PartitionIndex', value, 0, INT32_MAX) as PartitionIndex;
}

/** @throws BugError unless `value` is an integer from 0 to 2^31-1. */
export function nodeId(value: number): NodeId {
  return checked('NodeId', value, 0, INT32_MAX) as NodeId;
}

/** @throws BugError unless `value` is an integer from 0 to 2^15-1. */
export function shardIndex(value: number): ShardIndex {
  return checked('ShardIndex', value, 0, INT16_MAX) as ShardIndex;
}

/** @throws BugError unless `value` is an integer from 0 to 2^53-1. */
export function metadataVersion(value: number): MetadataVersion {
  return checked('MetadataVersion', value, 0, Number.MAX_SAFE_INTEGER) as MetadataVersion;
}
