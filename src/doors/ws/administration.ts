/** Requests that take one question and give one answer: declarations, descriptions, offsets. Each throws, or rejects with, BrokerError. */
import { BrokerError } from '../../broker/errors.js';
import type { Broker, PartitionStateReport, TopicEntry, TopicSettings } from '../../broker/ports.js';
import type {
  CommitOffsetsCommand,
  DeclareCommand,
  FetchOffsetsCommand,
  ListCommand,
  ListOffsetsCommand,
} from './commands.js';
import { checkPartition, chosenPartitions, requiredTopic } from './topics.js';
import type { WireAnswer, WireDescription } from './wire-types.js';

/** Declares a topic or queue. */
export async function declare(broker: Broker, command: DeclareCommand): Promise<WireAnswer> {
  return { description: describeEntry(await broker.declare(command.declaration)) };
}

/** Deletes a topic or queue. */
export async function remove(broker: Broker, name: string): Promise<WireAnswer> {
  await broker.delete(name);
  return { done: {} };
}

/** Empties a topic or queue. */
export async function purge(broker: Broker, name: string): Promise<WireAnswer> {
  return { purged: { count: await broker.purge(name) } };
}

/** Describes a topic or queue with the state of its partitions. */
export async function describe(broker: Broker, name: string): Promise<WireAnswer> {
  return { description: await describeState(broker, requiredTopic(broker, name)) };
}

/** Hands out a producer id. */
export async function initProducer(broker: Broker, producerId: number): Promise<WireAnswer> {
  return { producer: await broker.initProducer(producerId) };
}

/** One page of the topics and queues, by name. */
export async function list(broker: Broker, command: ListCommand): Promise<WireAnswer> {
  const found: TopicEntry[] = [];
  for (const topic of broker.topics()) if (isListed(topic, command)) found.push(topic);
  found.sort((left, right) => (left.name < right.name ? -1 : 1));
  const page = found.slice(0, command.limit);
  const entries = command.withState
    ? await Promise.all(page.map((topic) => describeState(broker, topic)))
    : page.map(describeEntry);
  return { listing: { entries, more: found.length > page.length } };
}

function isListed(topic: TopicEntry, command: ListCommand): boolean {
  if (command.only !== undefined && topic.settings.kind !== command.only) return false;
  return topic.name.startsWith(command.namePrefix) && topic.name > command.after;
}

/** Which offsets a start means. */
export function listOffsets(broker: Broker, command: ListOffsetsCommand): WireAnswer {
  const topic = requiredTopic(broker, command.from);
  const offsets = chosenPartitions(topic, command.partitions).map((partition) => {
    const found = broker.offsetAt(topic, partition, command.at);
    if (found === undefined) return { partition };
    return { partition, offset: found.offset, timestampMs: Math.max(0, found.timestampMs) };
  });
  return { offsetList: { offsets } };
}

/** Notes a group's offsets. */
export async function commitOffsets(broker: Broker, command: CommitOffsetsCommand): Promise<WireAnswer> {
  const topic = requiredTopic(broker, command.from);
  for (const { partition, offset } of command.offsets) {
    checkPartition(topic, partition);
    const { end } = broker.bounds(topic, partition);
    if (offset <= end) continue;
    throw new BrokerError(
      'offset-out-of-range',
      `Cannot commit offset ${offset} of partition ${partition} of "${topic.name}": it ends at ${end}`,
    );
  }
  await broker.commitOffsets(command.group, topic, command.offsets);
  return { done: {} };
}

/** What a group has noted. */
export async function fetchOffsets(broker: Broker, command: FetchOffsetsCommand): Promise<WireAnswer> {
  const topic = requiredTopic(broker, command.from);
  const partitions = chosenPartitions(topic, command.partitions);
  const committed = await broker.fetchOffsets(command.group, topic, partitions);
  const offsets = committed.map(({ partition, offset, metadata, committedMs }) =>
    offset < 0 ? { partition } : { partition, offset, metadata, timestampMs: committedMs },
  );
  return { offsetList: { offsets } };
}

function describeEntry(topic: TopicEntry): WireDescription {
  const settings = wireSettings(topic.name, topic.partitions.length, topic.settings);
  return { ...settings, topicId: topic.topicId };
}

function wireSettings(name: string, partitions: number, settings: TopicSettings): WireDescription {
  const { durability, segmentBytes, retentionMs, retentionBytes, segmentMs, lingerMs } = settings;
  const common = { name, partitions, durability, segmentBytes };
  if (settings.kind === 'queue') return { queue: { ...common, lingerMs } };
  return { topic: { ...common, retentionMs, retentionBytes, segmentMs } };
}

async function describeState(broker: Broker, topic: TopicEntry): Promise<WireDescription> {
  const reports = await broker.describe(topic);
  const sum = (count: (report: PartitionStateReport) => number): number =>
    reports.reduce((total, report) => total + count(report), 0);
  return {
    ...describeEntry(topic),
    partitions: reports.map(wireState),
    messagesReady: sum((report) => report.ready),
    messagesUnacknowledged: sum((report) => report.unacknowledged),
    consumers: sum((report) => report.consumers),
  };
}

function wireState(report: PartitionStateReport): NonNullable<WireDescription['partitions']>[number] {
  const { ready, unacknowledged, ...state } = report;
  return { ...state, messagesReady: ready, messagesUnacknowledged: unacknowledged };
}
