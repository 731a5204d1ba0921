/** Looking up what requests name. Each throws BrokerError. */
import { BrokerError } from '../../broker/errors.js';
import { DEFAULT_VHOST } from '../../broker/model.js';
import type { Broker, PartitionPosition, StartAt, TopicEntry } from '../../broker/ports.js';
import type { WireBounds } from './wire-types.js';

/** The topic or queue of this name. @throws BrokerError `not-found`. */
export function requiredTopic(broker: Broker, name: string, vhost: string): TopicEntry {
  const topic = broker.topic(name, vhost);
  if (topic === undefined) {
    throw new BrokerError('not-found', `There is no topic or queue ${JSON.stringify(name)}${inVhost(vhost)}`);
  }
  return topic;
}

/** Where that is, for error texts: nothing for the default virtual host. */
export function inVhost(vhost: string): string {
  return vhost === DEFAULT_VHOST ? '' : ` in virtual host ${JSON.stringify(vhost)}`;
}

/** The queue of this name. @throws BrokerError `not-found` or `wrong-kind`. */
export function requiredQueue(broker: Broker, name: string, vhost: string): TopicEntry {
  const topic = requiredTopic(broker, name, vhost);
  if (topic.settings.kind !== 'queue') {
    throw new BrokerError('wrong-kind', `Cannot consume from "${name}" as a queue: it is a topic without a cursor`);
  }
  return topic;
}

/** @throws BrokerError `not-found` unless the topic has this partition. */
export function checkPartition(topic: TopicEntry, partition: number): void {
  if (partition < topic.partitions.length) return;
  const count = topic.partitions.length;
  throw new BrokerError('not-found', `There is no partition ${partition} in "${topic.name}": it has ${count}`);
}

/** `partitions`, or all of the topic's when there are none. @throws BrokerError `not-found`. */
export function chosenPartitions(topic: TopicEntry, partitions: readonly number[]): readonly number[] {
  if (partitions.length === 0) return topic.partitions.map(({ partition }) => partition);
  for (const partition of partitions) checkPartition(topic, partition);
  return partitions;
}

/** The offset that a start means in one partition: the end, where nothing is at or after a time. */
export function resolveStart(broker: Broker, topic: TopicEntry, partition: number, start: StartAt): number {
  return broker.offsetAt(topic, partition, start)?.offset ?? broker.bounds(topic, partition).end;
}

/** @throws BrokerError `not-found` or `offset-out-of-range` unless reading can begin there. */
export function checkPosition(broker: Broker, topic: TopicEntry, position: PartitionPosition): void {
  const { partition, offset } = position;
  checkPartition(topic, partition);
  const { logStart, end } = broker.bounds(topic, partition);
  if (offset >= logStart && offset <= end) return;
  throw new BrokerError(
    'offset-out-of-range',
    `Cannot read partition ${partition} of "${topic.name}" from offset ${offset}: it holds ${logStart} to ${end}`,
  );
}

/** Where each partition stands, and where a subscription reads on: `position` per partition. */
export function wireBounds(broker: Broker, topic: TopicEntry, position: (partition: number) => number): WireBounds[] {
  return topic.partitions.map(({ partition }) => {
    const { logStart, end } = broker.bounds(topic, partition);
    return { partition, logStart, end, position: position(partition) };
  });
}
