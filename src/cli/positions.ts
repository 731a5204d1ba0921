import type { Client, Description } from '../client/index.js';
import type { StartPosition } from './arguments.js';
import { CliError } from './exit-codes.js';

/** Where reading goes on, by partition. */
export type Positions = Map<number, number>;

/** The partitions that were asked for, or all. @throws CliError for one that there is not. */
export function chosenPartitions({ name, partitions }: Description, wanted: readonly number[] | undefined) {
  const missing = wanted?.find((number) => !partitions.some(({ partition }) => partition === number));
  if (missing !== undefined) {
    throw new CliError(
      'not-found',
      `Cannot read partition ${missing} of ${name}: it has ${partitions.length}, counted from 0`,
    );
  }
  return partitions.filter(({ partition }) => wanted === undefined || wanted.includes(partition));
}

/** Turns what the user said into an offset for each partition. */
export async function startPositions(
  client: Client,
  name: string,
  partitions: Description['partitions'],
  start: StartPosition,
  group: string | undefined,
): Promise<Positions> {
  const numbers = partitions.map(({ partition }) => partition);
  if (start.at === 'timestamp') {
    const found = await client.listOffsets(name, { timestamp: start.timestampMs }, numbers);
    // Nothing so young: reading starts at the end.
    return fill(partitions, found, ({ end }) => end);
  }
  if (start.at === 'committed') {
    const found = group === undefined ? [] : await client.committed(group, name, numbers);
    return fill(partitions, found, ({ logStart }) => logStart);
  }
  if (start.at === 'offset') checkOffset(name, partitions, start.offset);
  return new Map(partitions.map((partition) => [partition.partition, startIn(partition, start)]));
}

/** One offset is meant for all partitions, of which some may be shorter; that none of them has it is a mistake. */
function checkOffset(name: string, partitions: Description['partitions'], offset: number): void {
  if (partitions.some(({ logStart, end }) => offset >= logStart && offset <= end)) return;
  const ranges = partitions
    .slice(0, 3)
    .map(({ partition, logStart, end }) => `partition ${partition} goes from ${logStart} to ${end}`);
  const more = partitions.length > 3 ? ', ...' : '';
  throw new CliError('failed', `Cannot read ${name} from offset ${offset}: ${ranges.join(', ')}${more}`);
}

function startIn(
  { logStart, end }: Description['partitions'][number],
  start: Exclude<StartPosition, { at: 'timestamp' | 'committed' }>,
): number {
  if (start.at === 'offset') return Math.min(end, Math.max(logStart, start.offset));
  if (start.at === 'last') return Math.max(logStart, end - start.count);
  return start.at === 'beginning' ? logStart : end;
}

function fill(
  partitions: Description['partitions'],
  found: readonly { readonly partition: number; readonly offset: number | undefined }[],
  otherwise: (partition: Description['partitions'][number]) => number,
): Positions {
  const offsets = new Map(found.map(({ partition, offset }) => [partition, offset]));
  return new Map(
    partitions.map((partition) => {
      // What was committed may have been removed since: then the oldest that is left comes first.
      const offset = Math.max(partition.logStart, offsets.get(partition.partition) ?? otherwise(partition));
      return [partition.partition, offset];
    }),
  );
}
