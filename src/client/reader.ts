import { ClientError } from './errors.js';
import { type FetchedRecords, type FetchOptions, fetchRecords } from './fetching.js';
import { commitOffsets, type PartitionOffset, type ReadFrom, resolveStart } from './positions.js';
import type { ReceivedRecord } from './received.js';
import type { Session } from './session.js';
import type { Topics } from './topics.js';

/** How a topic is read. */
export interface ReaderOptions extends Omit<FetchOptions, 'timeoutMs'> {
  /** Default beginning. */
  readonly from?: ReadFrom;
  /** Default all. */
  readonly partitions?: readonly number[];
}

/**
 * Reads a topic (or a queue's log) by offset, at the program's own pace: iterate over its records, or over `batches()`. One fetch is always under way
 * while the program works on the one before; so at most two answers are in memory.
 */
export class Reader implements AsyncIterable<ReceivedRecord> {
  readonly topic: string;
  private readonly session: Session;
  private readonly topics: Topics;
  private readonly options: ReaderOptions;
  private readonly stop = new AbortController();
  /** Where the next fetch begins. */
  private fetchFrom: Map<number, number> | undefined;
  /** What the program sees next. */
  private readonly seen = new Map<number, number>();
  private ahead: Promise<FetchedRecords[]> | undefined;
  /** Counts seeks: what was fetched before one is not wanted any more. */
  private seeks = 0;

  /** For `Client.reader`. */
  constructor(session: Session, topics: Topics, topic: string, options: ReaderOptions) {
    this.session = session;
    this.topics = topics;
    this.topic = topic;
    this.options = options;
    options.signal?.addEventListener('abort', () => this.close(), { signal: this.stop.signal });
    if (options.signal?.aborted) this.close();
  }

  /** The offset that the program sees next in a partition; undefined before reading has started. */
  position(partition: number): number | undefined {
    return this.seen.get(partition);
  }

  /** The offsets that the program sees next. */
  positions(): PartitionOffset[] {
    return [...this.seen].map(([partition, offset]) => ({ partition, offset }));
  }

  /** Goes on elsewhere; partitions that are not named stay where they are. @throws ClientError as rejection. */
  async seek(to: ReadFrom, partitions?: readonly number[]): Promise<void> {
    const named = typeof to === 'object' && 'offsets' in to ? to.offsets.map((one) => one.partition) : undefined;
    const chosen = partitions ?? named ?? this.options.partitions ?? [];
    const found = await resolveStart(this.session, this.topics, this.topic, to, chosen);
    const from = await this.start();
    this.seeks++;
    this.ahead = undefined;
    // What was fetched ahead is dropped, so partitions that stay go back to what the program has seen.
    for (const [partition, offset] of [...this.seen, ...found]) {
      from.set(partition, offset);
      this.seen.set(partition, offset);
    }
  }

  /** Commits what the program has taken so far as the group's place. @throws ClientError as rejection. */
  commit(group: string): Promise<void> {
    return commitOffsets(this.session, group, this.topic, this.positions(), {});
  }

  /** Ends the iteration. */
  close(): void {
    this.stop.abort();
  }

  private async start(): Promise<Map<number, number>> {
    if (this.fetchFrom !== undefined) return this.fetchFrom;
    const { from = 'beginning', partitions = [] } = this.options;
    const found = await resolveStart(this.session, this.topics, this.topic, from, partitions);
    // Two that start at once must end up with one map.
    if (this.fetchFrom === undefined) {
      this.fetchFrom = found;
      for (const [partition, offset] of found) this.seen.set(partition, offset);
    }
    return this.fetchFrom;
  }

  private fetchNext(from: Map<number, number>): Promise<FetchedRecords[]> {
    const { seeks } = this;
    const positions = [...from].map(([partition, offset]) => ({ partition, offset }));
    const fetched = fetchRecords(this.session, this.topic, positions, {
      ...this.options,
      signal: this.stop.signal,
    }).then((parts) => {
      // After a seek the map says where to go on, not this.
      if (seeks === this.seeks) for (const part of parts) from.set(part.partition, part.nextOffset);
      return parts;
    });
    // Whoever waits for it hears of the failure; nobody may, when the reader is closed first.
    fetched.catch(() => undefined);
    return fetched;
  }

  /** What was fetched of one partition at a time, at least one record each. Ends when the reader is closed. */
  async *batches(): AsyncGenerator<FetchedRecords, undefined, undefined> {
    try {
      const from = await this.start();
      while (!this.stop.signal.aborted) yield* this.nextParts(from);
    } catch (thrown) {
      if (!(thrown instanceof ClientError && thrown.code === 'aborted')) throw thrown;
    } finally {
      this.ahead = undefined;
    }
    return undefined;
  }

  private async *nextParts(from: Map<number, number>): AsyncGenerator<FetchedRecords, void, undefined> {
    const { seeks } = this;
    const parts = await (this.ahead ?? this.fetchNext(from));
    if (seeks !== this.seeks) return;
    for (const part of parts) if (part.error !== undefined) throw part.error;
    this.ahead = this.fetchNext(from);
    for (const part of parts) {
      if (part.records.length > 0) yield part;
      if (seeks !== this.seeks) return;
      this.seen.set(part.partition, part.nextOffset);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReceivedRecord, undefined, undefined> {
    for await (const part of this.batches()) {
      const { seeks } = this;
      for (const record of part.records) {
        this.seen.set(record.partition, record.offset + 1);
        yield record;
        if (seeks !== this.seeks) break;
      }
    }
    return undefined;
  }
}
