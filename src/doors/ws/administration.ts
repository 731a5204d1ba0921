/** Requests that take one question and give one answer: declarations, descriptions, offsets. Each throws, or rejects with, BrokerError. */
import { BrokerError } from '../../broker/errors.js';
import { DEFAULT_VHOST } from '../../broker/model.js';
import type { Broker, PartitionStateReport, RoutingBroker, TopicEntry } from '../../broker/ports.js';
import type {
  CommitOffsetsCommand,
  DeclareCommand,
  DeleteCommand,
  FetchOffsetsCommand,
  ListCommand,
  ListOffsetsCommand,
  NameCommand,
} from './commands.js';
import { wireModel } from './routing-administration.js';
import { checkPartition, chosenPartitions, requiredQueue, requiredTopic } from './topics.js';
import type { WireAnswer, WireDescription } from './wire-types.js';

/** Declares a topic or queue; `newName` makes names for queues that have none. */
export async function declare(
  broker: Broker,
  command: DeclareCommand,
  connection: string,
  newName: () => string,
): Promise<WireAnswer> {
  const { declaration, model } = command;
  if (model === undefined) return { description: describeEntry(await broker.declare(declaration)) };
  const name = declaration.name || newName();
  const queue = { ...model, connection, shard: broker.shard };
  return { description: describeEntry(await broker.declare({ ...declaration, name, queue })) };
}

/** Deletes a topic or queue. */
export async function remove(
  broker: Broker & RoutingBroker,
  command: DeleteCommand,
  connection: string,
): Promise<WireAnswer> {
  const { name, vhost, ifUnused, ifEmpty } = command;
  const isModelled = broker.topic(name, vhost)?.settings.queue !== undefined;
  if (isModelled || ifUnused || ifEmpty) {
    requiredQueue(broker, name, vhost);
    await broker.deleteQueue(vhost, name, { ifUnused, ifEmpty, connection });
  } else await broker.delete(name, vhost);
  return { done: {} };
}

/** Empties a topic or queue. */
export async function purge(broker: Broker, command: NameCommand, connection: string): Promise<WireAnswer> {
  const { name, vhost } = command;
  const owner = broker.topic(name, vhost)?.settings.queue?.exclusiveOwner ?? '';
  if (owner !== '' && owner !== connection) {
    throw new BrokerError('resource-locked', `Cannot purge "${name}": it is exclusive to another connection`);
  }
  return { purged: { count: await broker.purge(name, vhost) } };
}

/** Describes a topic or queue with the state of its partitions. */
export async function describe(broker: Broker, { name, vhost }: NameCommand): Promise<WireAnswer> {
  return { description: await describeState(broker, requiredTopic(broker, name, vhost)) };
}

/** Hands out a producer id. */
export async function initProducer(broker: Broker, producerId: number): Promise<WireAnswer> {
  return { producer: await broker.initProducer(producerId) };
}

/** One page of the topics and queues, by name. */
export async function list(
  broker: Broker,
  command: ListCommand,
  isVisible: (topic: TopicEntry) => boolean,
): Promise<WireAnswer> {
  const found: TopicEntry[] = [];
  for (const topic of broker.topics()) if (isListed(topic, command) && isVisible(topic)) found.push(topic);
  found.sort((left, right) => (left.name < right.name ? -1 : 1));
  const page = found.slice(0, command.limit);
  const entries = command.withState
    ? await Promise.all(page.map((topic) => describeState(broker, topic)))
    : page.map(describeEntry);
  return { listing: { entries, more: found.length > page.length } };
}

function isListed(topic: TopicEntry, command: ListCommand): boolean {
  if ((topic.vhost ?? DEFAULT_VHOST) !== command.vhost) return false;
  if (command.only !== undefined && topic.settings.kind !== command.only) return false;
  return topic.name.startsWith(command.namePrefix) && topic.name > command.after;
}

/** Which offsets a start means. */
export function listOffsets(broker: Broker, command: ListOffsetsCommand): WireAnswer {
  const topic = requiredTopic(broker, command.from, command.vhost);
  const offsets = chosenPartitions(topic, command.partitions).map((partition) => {
    const found = broker.offsetAt(topic, partition, command.at);
    if (found === undefined) return { partition };
    return { partition, offset: found.offset, timestampMs: Math.max(0, found.timestampMs) };
  });
  return { offsetList: { offsets } };
}

/** Notes a group's offsets. */
export async function commitOffsets(broker: Broker, command: CommitOffsetsCommand): Promise<WireAnswer> {
  const topic = requiredTopic(broker, command.from, command.vhost);
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
  const topic = requiredTopic(broker, command.from, command.vhost);
  const partitions = chosenPartitions(topic, command.partitions);
  const committed = await broker.fetchOffsets(command.group, topic, partitions);
  const offsets = committed.map(({ partition, offset, metadata, committedMs }) =>
    offset < 0 ? { partition } : { partition, offset, metadata, timestampMs: committedMs },
  );
  return { offsetList: { offsets } };
}

function describeEntry(topic: TopicEntry): WireDescription {
  return { ...wireSettings(topic), topicId: topic.topicId };
}

function wireSettings({ name, vhost = DEFAULT_VHOST, partitions, settings }: TopicEntry): WireDescription {
  const { durability, segmentBytes, retentionMs, retentionBytes, segmentMs, lingerMs, queue } = settings;
  const place = vhost === DEFAULT_VHOST ? {} : { vhost };
  const common = { name, partitions: partitions.length, durability, segmentBytes, ...place };
  if (settings.kind === 'queue') {
    const model = queue === undefined ? {} : { model: wireModel(queue) };
    return { queue: { ...common, lingerMs, ...model } };
  }
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
