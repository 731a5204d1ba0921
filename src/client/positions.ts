import type { WireKind } from '../proto/client-wire.js';
import { type StartPoint, wireStart } from './admin.js';
import { invalidUse } from './errors.js';
import type { RequestOptions } from './requests.js';
import type { Session } from './session.js';
import type { Topics } from './topics.js';

/** A place in one partition. */
export interface PartitionOffset {
  readonly partition: number;
  readonly offset: number;
}

/** A place as the node lists it: there may be none (nothing at or after the time, nothing committed). */
export interface ListedOffset {
  readonly partition: number;
  readonly offset: number | undefined;
  readonly timestamp: number;
  readonly metadata: string;
}

/**
 * Where reading starts: `{ offset }` in every partition, `{ offsets }` in those named and at the beginning in the others, or where a group
 * committed, else at the beginning.
 */
export type ReadFrom =
  | StartPoint
  | { readonly offset: number }
  | { readonly offsets: readonly PartitionOffset[] }
  | { readonly group: string };

type WireOffsets = WireKind<'offsetList'>['offsets'];

function listed(offsets: WireOffsets): ListedOffset[] {
  return (offsets ?? []).map((one) => ({
    partition: one.partition ?? 0,
    offset: one.offset ?? undefined,
    timestamp: one.timestampMs ?? 0,
    metadata: one.metadata ?? '',
  }));
}

/** The offsets that a start means. @throws ClientError as rejection. */
export async function listOffsets(
  session: Session,
  from: string,
  at: StartPoint,
  partitions: readonly number[],
  options: RequestOptions,
): Promise<ListedOffset[]> {
  const request = { from, partitions: [...partitions], at: wireStart(at) };
  const answer = await session.requests.request({ listOffsets: request }, 'offsetList', { ...options, resend: true });
  return listed(answer.offsets);
}

/** What a group committed. @throws ClientError as rejection. */
export async function committedOffsets(
  session: Session,
  group: string,
  from: string,
  partitions: readonly number[],
  options: RequestOptions,
): Promise<ListedOffset[]> {
  const request = { group, from, partitions: [...partitions] };
  const answer = await session.requests.request({ fetchOffsets: request }, 'offsetList', { ...options, resend: true });
  return listed(answer.offsets);
}

/** Commits a group's offsets: the next ones to read. @throws ClientError as rejection. */
export async function commitOffsets(
  session: Session,
  group: string,
  from: string,
  offsets: readonly (PartitionOffset & { readonly metadata?: string })[],
  options: RequestOptions,
): Promise<void> {
  const commitOffsets = { group, from, offsets: offsets.map((one) => ({ ...one })) };
  await session.requests.request({ commitOffsets }, 'done', { ...options, resend: true });
}

/** Turns a start into an offset per partition. `partitions` empty = all. @throws ClientError as rejection. */
export async function resolveStart(
  session: Session,
  topics: Topics,
  topic: string,
  from: ReadFrom,
  partitions: readonly number[],
): Promise<Map<number, number>> {
  const count = await topics.partitions(topic);
  const chosen = partitions.length > 0 ? partitions : Array.from({ length: count }, (_, partition) => partition);
  for (const partition of chosen) {
    if (!(partition >= 0 && partition < count)) {
      throw invalidUse(`Cannot read partition ${partition} of "${topic}": it has ${count}`);
    }
  }
  if (typeof from === 'object' && 'offset' in from) return new Map(chosen.map((partition) => [partition, from.offset]));
  const found = await startOffsets(session, topic, from, chosen);
  return new Map(chosen.map((partition) => [partition, found.get(partition) ?? 0]));
}

async function startOffsets(
  session: Session,
  topic: string,
  from: Exclude<ReadFrom, { readonly offset: number }>,
  partitions: readonly number[],
): Promise<Map<number, number>> {
  if (typeof from === 'object' && 'timestamp' in from) return byTime(session, topic, from, partitions);
  if (typeof from === 'string') return known(await listOffsets(session, topic, from, partitions, {}));
  const found = known(await listOffsets(session, topic, 'beginning', partitions, {}));
  const wanted = 'group' in from ? await committedOffsets(session, from.group, topic, partitions, {}) : from.offsets;
  for (const { partition, offset } of wanted) {
    // What was committed may have been removed since; then reading goes on with the oldest that is left.
    if (offset !== undefined)
      found.set(partition, 'group' in from ? Math.max(offset, found.get(partition) ?? 0) : offset);
  }
  return found;
}

/** Where nothing is at or after the time, reading starts at the end. */
async function byTime(
  session: Session,
  topic: string,
  from: { readonly timestamp: number },
  partitions: readonly number[],
): Promise<Map<number, number>> {
  const ends = known(await listOffsets(session, topic, 'end', partitions, {}));
  return new Map([...ends, ...known(await listOffsets(session, topic, from, partitions, {}))]);
}

function known(offsets: readonly ListedOffset[]): Map<number, number> {
  return new Map(offsets.flatMap(({ partition, offset }) => (offset === undefined ? [] : [[partition, offset]])));
}
