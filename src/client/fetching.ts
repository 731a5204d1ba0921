import type { WireKind } from '../proto/client-wire.js';
import { ClientError, errorOfNode } from './errors.js';
import { DEFAULT_FETCH_BYTES, DEFAULT_FETCH_WAIT_MS } from './limits.js';
import type { PartitionOffset } from './positions.js';
import type { ReceivedRecord } from './received.js';
import { eachRecord } from './record-batches.js';
import type { RequestOptions } from './requests.js';
import type { Session } from './session.js';

/** How much is fetched, and how long the node waits for it. */
export interface FetchOptions extends RequestOptions {
  /** Most bytes of one answer; whole batches come, so one may exceed it. Default 1 MiB. */
  readonly maxBytes?: number;
  /** How long the node waits for `minBytes`, in milliseconds. Default 5,000 for readers, 0 for `fetch`. */
  readonly maxWaitMs?: number;
  /** Default 1. */
  readonly minBytes?: number;
  /** Whether the node decodes: needed where batches may be compressed with a codec that is not registered here. Default false. */
  readonly decoded?: boolean;
}

/** What was fetched of one partition. */
export interface FetchedRecords {
  readonly partition: number;
  readonly records: readonly ReceivedRecord[];
  /** Where reading goes on. */
  readonly nextOffset: number;
  readonly logStart: number;
  /** The next offset to become visible. */
  readonly end: number;
  /** Why nothing could be read here. */
  readonly error?: ClientError;
}

/**
 * Reads from chosen offsets once.
 * @throws ClientError as rejection; what concerns one partition only is in its `error`.
 */
export async function fetchRecords(
  session: Session,
  from: string,
  positions: readonly PartitionOffset[],
  options: FetchOptions,
): Promise<FetchedRecords[]> {
  const maxWaitMs = options.maxWaitMs ?? DEFAULT_FETCH_WAIT_MS;
  const most = session.welcome.limits?.maxFetchBytes ?? DEFAULT_FETCH_BYTES;
  const fetch = {
    from,
    partitions: positions.map(({ partition, offset }) => ({ partition, offset })),
    maxBytes: Math.min(options.maxBytes ?? DEFAULT_FETCH_BYTES, most),
    maxWaitMs,
    minBytes: options.minBytes ?? 1,
    decoded: options.decoded ?? false,
  };
  const timeoutMs = options.timeoutMs ?? maxWaitMs + session.options.requestTimeoutMs;
  const request = { timeoutMs, signal: options.signal, resend: true };
  const fetched = await session.requests.request({ fetch }, 'fetched', request);
  return (fetched.partitions ?? []).map((part) => fetchedPartition(part, positions));
}

type WirePartition = NonNullable<WireKind<'fetched'>['partitions']>[number];

function fetchedPartition(part: WirePartition, positions: readonly PartitionOffset[]): FetchedRecords {
  const wire = part.records ?? {};
  const partition = wire.partition ?? 0;
  const from = positions.find((position) => position.partition === partition)?.offset ?? 0;
  const bounds = { partition, logStart: part.logStart ?? 0, end: part.end ?? 0 };
  const records: ReceivedRecord[] = [];
  try {
    if (part.error) throw errorOfNode(part.error);
    eachRecord(wire, from, (record) => records.push(record));
    return { ...bounds, records, nextOffset: Math.max(from, wire.nextOffset ?? 0) };
  } catch (thrown) {
    if (!(thrown instanceof ClientError)) throw thrown;
    return { ...bounds, records: [], nextOffset: from, error: thrown };
  }
}
