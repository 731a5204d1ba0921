/** What `duolog topic` and `duolog queue` have in common: listing, describing and deleting. */
import type { Client, Description, ListOptions } from '../client/index.js';
import type { NodeSession } from './connection.js';
import { CliError } from './exit-codes.js';
import type { CellColumn } from './output.js';
import { formatBytes, formatCount, plural } from './quantities.js';

/** Which of the two a command is about. */
export type Kind = Description['kind'];

/** All topics or queues with a prefix, page after page, with their state. */
export async function listAll(client: Client, what: ListOptions, signal: AbortSignal): Promise<Description[]> {
  const all: Description[] = [];
  for (;;) {
    const after = all.at(-1)?.name;
    const page = await client.list({ withState: true, ...what, ...(after === undefined ? {} : { after }) }, { signal });
    all.push(...page.entries);
    if (!page.more || page.entries.length === 0) return all;
  }
}

/** Messages that can be read by offset: an upper bound, since offsets may have gaps. */
export function messagesIn({ partitions }: Description): number {
  return partitions.reduce((sum, { logStart, end }) => sum + (end - logStart), 0);
}

/** Bytes on disk. */
export function bytesIn({ partitions }: Description): number {
  return partitions.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Columns of the partitions' table; those about a cursor for queues only. */
export function partitionColumns(kind: Kind): CellColumn<Description['partitions'][number]>[] {
  type Partition = Description['partitions'][number];
  const number = (
    heading: string,
    value: (partition: Partition) => number,
    optional = false,
  ): CellColumn<Partition> => ({
    heading,
    optional,
    align: 'right',
    cell: (partition) => formatCount(value(partition)),
  });
  const ofCursor = [
    number('READY', ({ messagesReady }) => messagesReady),
    number('UNACKED', ({ messagesUnacknowledged }) => messagesUnacknowledged),
    number('CONSUMERS', ({ consumers }) => consumers),
  ];
  return [
    { heading: 'PARTITION', align: 'right', cell: ({ partition }) => String(partition) },
    number('FIRST', ({ logStart }) => logStart),
    number('END', ({ end }) => end),
    number('ON DISK', ({ durableEnd }) => durableEnd, true),
    ...(kind === 'queue' ? ofCursor : []),
    { heading: 'SIZE', optional: true, align: 'right', cell: ({ sizeBytes }) => formatBytes(sizeBytes) },
    number('SEGMENTS', ({ segments }) => segments, true),
    number('SHARD', ({ shard }) => shard, true),
    {
      heading: 'STATE',
      cell: ({ offlineReason }) => (offlineReason === undefined ? 'serves' : `offline: ${offlineReason}`),
    },
  ];
}

/** Deletes several, one after the other, so that what went before a failure is said. */
export async function deleteAll(
  { client, output, interrupted }: NodeSession<unknown>,
  kind: Kind,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const description = await client.describe(name, { signal: interrupted });
    if (description.kind !== kind) throw wrongKind(description, 'delete');
    await client.delete(name, { signal: interrupted });
    output.note(`Deleted ${kind} ${name} with ${plural(messagesIn(description), 'message')}`);
  }
}

/** The error of a queue's command on a topic, or the reverse. */
export function wrongKind({ name, kind }: Description, verb: string): CliError {
  const other = kind === 'queue' ? 'topic' : 'queue';
  // Only queues can be purged.
  const hint = kind === 'topic' && verb === 'purge' ? undefined : `Try: duolog ${kind} ${verb} ${name}`;
  return new CliError('wrong-kind', `Cannot ${verb} ${other} ${name}: it is a ${kind}`, hint);
}
