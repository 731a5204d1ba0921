import { decodeDeliver } from '../proto/client-wire.js';
import { type StartPoint, wireStart } from './admin.js';
import { asClientError, type ClientError, invalidUse } from './errors.js';
import { DEFAULT_FOLLOW_CREDIT } from './limits.js';
import { Opening } from './opening.js';
import { PendingItems } from './pending-items.js';
import type { PartitionOffset } from './positions.js';
import type { ReceivedRecord } from './received.js';
import { eachRecord } from './record-batches.js';
import type { Participant, Session, SubscriptionSink } from './session.js';

/** Where following starts: in the partitions named in `offsets`, and at the end in the others; or where a group committed. */
export type FollowFrom = StartPoint | { readonly offsets: readonly PartitionOffset[] } | { readonly group: string };

/** How a topic is followed. */
export interface FollowOptions {
  /** Messages that may wait in this client; the last batch may exceed it. Default 4,096. */
  readonly credit?: number;
  /** Default end. */
  readonly from?: FollowFrom;
  /** Whether the node decodes: needed where batches may be compressed with a codec that is not registered here. Default false. */
  readonly decoded?: boolean;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

/**
 * The records of a topic as the node pushes them, from chosen offsets on: iterate over it. After a lost connection it goes on where it was: nothing is
 * missed, nothing comes twice.
 */
export class Follower implements AsyncIterable<ReceivedRecord>, Participant, SubscriptionSink {
  readonly topic: string;
  private readonly session: Session;
  private readonly number: number;
  private readonly options: FollowOptions;
  private readonly credit: number;
  private readonly opening: Opening;
  private readonly items: PendingItems<ReceivedRecord>;
  /** The next offset to come, per partition. */
  private readonly next = new Map<number, number>();
  /** Taken by the program, or dropped, and not yet given back to the node as credit. */
  private consumed = 0;
  private isSeeking = false;
  private isOver = false;

  /** For `Client.follow`. */
  constructor(session: Session, topic: string, options: FollowOptions) {
    this.session = session;
    this.topic = topic;
    this.number = session.nextSubscription();
    this.options = options;
    this.credit = options.credit ?? DEFAULT_FOLLOW_CREDIT;
    if (!(Number.isInteger(this.credit) && this.credit >= 1))
      throw invalidUse(`Cannot follow with ${this.credit} credit`);
    this.items = new PendingItems(
      () => this.giveBack(1),
      () => this.close(),
    );
    this.opening = new Opening(options.signal, () => this.close());
  }

  /** For `Client.follow`: resolves once the node has agreed. @throws ClientError as rejection. */
  start(): Promise<this> {
    return this.opening.start(this.session, this);
  }

  opened(): void {
    this.session.subscriptions.set(this.number, this);
    this.consumed = 0;
    this.isSeeking = false;
    const most = this.session.welcome.limits?.maxCredit ?? this.credit;
    const credit = Math.max(1, Math.min(this.credit, most) - this.items.length);
    const topic = { ...this.wireStart(), credit, decoded: this.options.decoded ?? false };
    const subscribe = { subscription: this.number, from: this.topic, topic };
    const answered = ({
      partitions,
    }: {
      partitions?: { partition?: number | null; position?: number | null }[] | null;
    }) => {
      // Where nothing has come yet, the node's word is the only one on where a next connection has to go on.
      for (const { partition, position } of partitions ?? []) {
        if (!this.next.has(partition ?? 0)) this.next.set(partition ?? 0, position ?? 0);
      }
    };
    const answer = this.session.requests.request({ subscribe }, 'subscribed', { answered });
    this.opening.follow(answer, (error) => this.ended(error));
  }

  private wireStart(): object {
    const { from = 'end' } = this.options;
    const starts = [...this.next].map(([partition, offset]) => ({ partition, offset }));
    if (starts.length > 0) return { starts, start: { end: true } };
    if (typeof from === 'string' || 'timestamp' in from) return { start: wireStart(from) };
    if ('group' in from) return { start: { committed: true }, group: from.group };
    return { starts: from.offsets.map((one) => ({ ...one })), start: { end: true } };
  }

  lost(): void {
    this.session.subscriptions.delete(this.number);
  }

  closed(error: ClientError): void {
    this.finish(error.code === 'closed' ? undefined : error);
  }

  ended(error: ClientError): void {
    this.session.leave(this);
    this.finish(error);
  }

  private finish(error: ClientError | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.opening.over(error);
    this.items.end(error);
  }

  missed(): void {
    // Only broadcasts skip messages.
  }

  deliver(bytes: Uint8Array, start: number, end: number): void {
    try {
      for (const records of decodeDeliver(bytes.subarray(start, end)).records ?? []) {
        const partition = records.partition ?? 0;
        const from = this.next.get(partition) ?? 0;
        eachRecord(records, from, (record) => this.take(record));
        if (!this.isSeeking) this.next.set(partition, Math.max(from, records.nextOffset ?? 0));
      }
    } catch (thrown) {
      const error = asClientError(thrown);
      this.items.end(error);
      void this.close();
    }
  }

  private take(record: ReceivedRecord): void {
    if (this.isSeeking) this.giveBack(1);
    else this.items.push(record);
  }

  private giveBack(count: number): void {
    this.consumed += count;
    if (this.consumed * 2 < this.credit) return;
    this.session.send({ credit: { subscription: this.number, add: this.consumed } });
    this.consumed = 0;
  }

  /** Goes on elsewhere: what waits is dropped. Partitions that are not named stay. @throws ClientError as rejection. */
  async seek(offsets: readonly PartitionOffset[]): Promise<void> {
    const starts = offsets.map(({ partition, offset }) => ({ partition, offset }));
    const dropped = this.items.length;
    const first = this.firstWaiting();
    this.items.clear();
    this.giveBack(dropped);
    this.isSeeking = true;
    // What waited for the program in the other partitions was dropped with the rest, so they go back to it.
    const named = new Set(starts.map((one) => one.partition));
    for (const [partition, offset] of first) if (!named.has(partition)) starts.push({ partition, offset });
    for (const { partition, offset } of starts) this.next.set(partition, offset);
    const answered = (): void => {
      this.isSeeking = false;
    };
    await this.session.requests.request({ seek: { subscription: this.number, starts } }, 'done', { answered });
  }

  private firstWaiting(): Map<number, number> {
    const first = new Map(this.next);
    for (const record of this.items.waiting()) {
      if (record.offset < (first.get(record.partition) ?? 0)) first.set(record.partition, record.offset);
    }
    return first;
  }

  /** Ends the subscription. Resolves when the node has done it. */
  async close(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    this.opening.over();
    this.session.leave(this);
    this.items.clear();
    this.items.end();
    this.session.subscriptions.delete(this.number);
    if (!this.session.isOpen) return;
    const unsubscribe = { subscription: this.number };
    await this.session.requests.request({ unsubscribe }, 'done').catch(() => undefined);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ReceivedRecord, undefined> {
    return this.items;
  }
}
