/** Rules for single values of a request, whichever form it came in. Each throws BrokerError `invalid-request` or `too-large`. */
import { BrokerError } from '../../broker/errors.js';
import { INTERNAL_VHOST } from '../../broker/model.js';
import { DurabilityLevel, type PartitionPosition, type ProducerStamp, SettleOutcome } from '../../broker/ports.js';
import type { duolog } from '../../proto/client.js';
import type { StartPoint } from './commands.js';
import { invalidRequest } from './errors.js';
import * as limits from './limits.js';

type StartAtWire = duolog.client.v1.StartAt.$Properties;
type PartitionStartWire = duolog.client.v1.PartitionStart.$Properties;

const INT32_MAX = 0x7fff_ffff;
const INT16_MAX = 0x7fff;
const levels: readonly (DurabilityLevel | undefined)[] = [
  undefined,
  DurabilityLevel.memory,
  DurabilityLevel.disk,
  DurabilityLevel.quorum,
];
const outcomes: readonly SettleOutcome[] = [SettleOutcome.acknowledge, SettleOutcome.requeue, SettleOutcome.discard];

/** The name of a topic or queue: there, and not too long. Which characters it may have is the broker's rule. */
export function checkedName(name: string | null | undefined, what = 'topic or queue'): string {
  if (!name) throw invalidRequest(`The request names no ${what}`);
  if (name.length > limits.MAX_NAME_BYTES) {
    throw new BrokerError('too-large', `A name has ${name.length} characters: the limit is ${limits.MAX_NAME_BYTES}`);
  }
  return name;
}

/** A virtual host: the session's own when none is named. */
export function checkedVhost(vhost: string | null | undefined, own: string): string {
  const name = checkedLongText('The name of the virtual host', vhost, limits.MAX_SHORT_TEXT) || own;
  if (name === INTERNAL_VHOST) throw new BrokerError('access-refused', `Nobody can enter virtual host "${name}"`);
  return name;
}

/** A text of at most so many bytes; UTF-16 units are never more than those. The broker looks at the bytes themselves. */
export function checkedLongText(what: string, text: string | null | undefined, limit: number): string {
  if (text && text.length > limit) {
    throw new BrokerError('too-large', `${what} has ${text.length} characters: the limit is ${limit}`);
  }
  return text ?? '';
}

/** A text of the client's own choice: a group, its own name. */
export function checkedLabel(what: string, label: string | null | undefined): string {
  if (label && label.length > limits.MAX_LABEL_BYTES) {
    throw new BrokerError(
      'too-large',
      `${what} has ${label.length} characters: the limit is ${limits.MAX_LABEL_BYTES}`,
    );
  }
  return label ?? '';
}

/** A consumer group's name: there, and not too long. */
export function checkedGroup(group: string | null | undefined): string {
  if (!group) throw invalidRequest('The request names no group');
  return checkedLabel('The name of the group', group);
}

/** A subscription's number: above 0. */
export function checkedSubscription(subscription: number | null | undefined): number {
  if (!subscription) throw invalidRequest('The request names no subscription: numbers begin at 1');
  return subscription;
}

/** A consumer's priority: 32 bits with a sign. */
export function checkedPriority(priority: number): number {
  if (Math.abs(priority) <= limits.MAX_CONSUMER_PRIORITY) return priority;
  throw invalidRequest(`The priority ${priority} does not fit into 32 bits`);
}

/** The level that a number stands for; undefined for 0, the topic's own. */
export function durabilityLevel(durability: number | null | undefined): DurabilityLevel | undefined {
  if (!durability) return undefined;
  const level = levels[durability];
  if (level === undefined) throw invalidRequest(`There is no durability ${durability}`);
  return level;
}

/** The outcome that a number stands for. */
export function checkedOutcome(outcome: number | null | undefined): SettleOutcome {
  const known = outcomes[outcome ?? 0];
  if (known === undefined) throw invalidRequest(`There is no outcome ${outcome}`);
  return known;
}

/** An idempotent producer's stamp: within the ranges that a record batch can hold. */
export function checkedProducer(stamp: ProducerStamp): ProducerStamp {
  if (stamp.epoch > INT16_MAX) throw invalidRequest(`The producer's epoch ${stamp.epoch} is above ${INT16_MAX}`);
  if (stamp.sequence > INT32_MAX) throw invalidRequest(`The sequence ${stamp.sequence} is above ${INT32_MAX}`);
  return stamp;
}

/** Tags to settle: ranges that ascend without overlap, or one upper end, but not both. */
export function checkedRanges(ranges: readonly number[], upToTag: number): void {
  if (ranges.length === 0 && upToTag === 0) throw invalidRequest('The request settles nothing: it names no tags');
  if (ranges.length > 0 && upToTag > 0) throw invalidRequest('The request sets both tags and up_to_tag');
  let least = 1;
  for (let index = 0; index < ranges.length; index += 2) {
    const first = ranges[index]!;
    const last = ranges[index + 1]!;
    if (first < least || last < first) {
      throw invalidRequest(`The range of tags ${first} to ${last} is empty or not above the one before it`);
    }
    least = last + 1;
  }
}

/** Where to start; `fallback` when the request does not say. */
export function startPoint<Fallback>(start: StartAtWire | null | undefined, fallback: Fallback): StartPoint | Fallback {
  if (!start) return fallback;
  if (start.timestampMs !== undefined && start.timestampMs !== null) {
    return { at: 'timestamp', timestampMs: start.timestampMs };
  }
  if (start.beginning) return { at: 'beginning' };
  if (start.committed) return { at: 'committed' };
  if (start.end) return { at: 'end' };
  return fallback;
}

/** Positions: not too many, each partition at most once. Whether the partitions exist shows when the topic is known. */
export function positions(starts: readonly PartitionStartWire[] | null | undefined): PartitionPosition[] {
  checkCount('partitions', starts?.length ?? 0, limits.MAX_PARTITIONS_PER_REQUEST);
  const seen = new Set<number>();
  return (starts ?? []).map((start) => {
    const partition = start.partition ?? 0;
    if (seen.has(partition)) throw invalidRequest(`The request names partition ${partition} twice`);
    seen.add(partition);
    return { partition, offset: start.offset ?? 0 };
  });
}

/** @throws BrokerError `too-large` when there are more than `limit` of `what`. */
export function checkCount(what: string, count: number, limit: number): void {
  if (count > limit) throw new BrokerError('too-large', `The request names ${count} ${what}: the limit is ${limit}`);
}

/** @throws BrokerError `too-large` when `value` is above `limit`. */
export function checkMost(what: string, value: number, limit: number): number {
  if (value > limit) throw new BrokerError('too-large', `${what} is ${value}: the limit is ${limit}`);
  return value;
}
