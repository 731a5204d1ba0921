import { SlowReader, type WireKind } from '../proto/client-wire.js';
import { asClientError, ClientError } from './errors.js';
import { DEFAULT_BROADCAST_BUFFER } from './limits.js';
import { Opening } from './opening.js';
import { PendingItems } from './pending-items.js';
import type { ReceivedRecord } from './received.js';
import { eachRecord, type WireRecords } from './record-batches.js';
import type { Participant, Session, SubscriptionSink } from './session.js';

/** How a topic is followed live. */
export interface BroadcastOptions {
  /** What happens to who reads too slowly: some records are left out and counted (default), or the subscription ends. */
  readonly slow?: 'skip' | 'close';
  /** Records that may wait in this client. Default 16,384. */
  readonly maxBuffered?: number;
  /** Whether the node decodes: needed where batches may be compressed with a codec that is not registered here. Default false. */
  readonly decoded?: boolean;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

/** So many offsets of a partition were left out, by the node, by this client, or by a lost connection. */
export interface Missed {
  readonly kind: 'missed';
  readonly partition: number;
  readonly count: number;
  /** Where reading goes on. */
  readonly nextOffset: number;
}

/** Follows a topic live, cheaply for the node whatever the number of followers: iterate over it, and look at each item's `kind`. */
export class Broadcast implements AsyncIterable<ReceivedRecord | Missed>, Participant, SubscriptionSink {
  readonly topic: string;
  private readonly session: Session;
  private readonly number: number;
  private readonly options: BroadcastOptions;
  private readonly maxBuffered: number;
  private readonly opening: Opening;
  private readonly items: PendingItems<ReceivedRecord | Missed>;
  /** The next offset to come, per partition. */
  private readonly next = new Map<number, number>();
  /** Left out since the last item, per partition. */
  private readonly leftOut = new Map<number, number>();
  private channel = 0;
  private isOver = false;

  /** For `Client.broadcast`. */
  constructor(session: Session, topic: string, options: BroadcastOptions) {
    this.session = session;
    this.topic = topic;
    this.number = session.nextSubscription();
    this.options = options;
    this.maxBuffered = options.maxBuffered ?? DEFAULT_BROADCAST_BUFFER;
    this.items = new PendingItems(
      () => undefined,
      () => this.close(),
    );
    this.opening = new Opening(options.signal, () => this.close());
  }

  /** For `Client.broadcast`: resolves once the node has agreed. @throws ClientError as rejection. */
  start(): Promise<this> {
    return this.opening.start(this.session, this);
  }

  opened(): void {
    this.session.subscriptions.set(this.number, this);
    const slow = this.options.slow === 'close' ? SlowReader.SLOW_READER_CLOSE : SlowReader.SLOW_READER_SKIP;
    const broadcast = { start: { end: true }, slow, decoded: this.options.decoded ?? false };
    const subscribe = { subscription: this.number, from: this.topic, broadcast };
    const answered = (subscribed: WireKind<'subscribed'>): void => this.subscribed(subscribed);
    const answer = this.session.requests.request({ subscribe }, 'subscribed', { answered });
    this.opening.follow(answer, (error) => this.ended(error));
  }

  /** Runs before the first record can arrive. */
  private subscribed(subscribed: WireKind<'subscribed'>): void {
    this.channel = subscribed.channel ?? 0;
    this.session.channels.set(this.channel, (broadcast) => this.records(broadcast));
    for (const bounds of subscribed.partitions ?? []) {
      const partition = bounds.partition ?? 0;
      const position = bounds.position ?? 0;
      const before = this.next.get(partition) ?? position;
      this.next.set(partition, position);
      // What was published between two connections.
      if (position > before) this.leaveOut(partition, position - before);
    }
  }

  private records(broadcast: WireKind<'broadcast'>): void {
    try {
      for (const records of broadcast.records ?? []) this.take(records);
    } catch (thrown) {
      this.items.end(asClientError(thrown));
      void this.close();
    }
  }

  private take(records: WireRecords): void {
    const partition = records.partition ?? 0;
    const from = this.next.get(partition) ?? 0;
    const nextOffset = Math.max(from, records.nextOffset ?? 0);
    if (this.items.length < this.maxBuffered) this.tellLeftOut();
    this.next.set(partition, nextOffset);
    if (this.items.length < this.maxBuffered) {
      eachRecord(records, from, (record) => this.items.push(record));
    } else if (this.options.slow === 'close') {
      const message = `The program reads "${this.topic}" too slowly: ${this.maxBuffered} records wait`;
      this.items.end(new ClientError('limit-exceeded', message));
      void this.close();
    } else this.leaveOut(partition, nextOffset - from);
  }

  private leaveOut(partition: number, count: number): void {
    this.leftOut.set(partition, (this.leftOut.get(partition) ?? 0) + count);
    if (this.items.length < this.maxBuffered) this.tellLeftOut();
  }

  private tellLeftOut(): void {
    if (this.leftOut.size === 0) return;
    for (const [partition, count] of this.leftOut) {
      this.items.push({ kind: 'missed', partition, count, nextOffset: this.next.get(partition) ?? 0 });
    }
    this.leftOut.clear();
  }

  missed(missed: WireKind<'missed'>): void {
    const partition = missed.partition ?? 0;
    this.next.set(partition, missed.nextOffset ?? 0);
    this.leaveOut(partition, missed.count ?? 0);
  }

  deliver(): void {
    // Records come under the channel's number, not the subscription's.
  }

  lost(): void {
    this.session.subscriptions.delete(this.number);
  }

  closed(error: ClientError): void {
    this.finish(error.code === 'closed' ? undefined : error);
  }

  ended(error: ClientError): void {
    this.session.leave(this);
    this.session.channels.delete(this.channel);
    this.finish(error);
  }

  private finish(error: ClientError | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.opening.over(error);
    this.items.end(error);
  }

  /** Ends the subscription. Resolves when the node has done it. */
  async close(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    this.opening.over();
    this.session.leave(this);
    this.items.end();
    this.session.subscriptions.delete(this.number);
    this.session.channels.delete(this.channel);
    if (!this.session.isOpen) return;
    const unsubscribe = { subscription: this.number };
    await this.session.requests.request({ unsubscribe }, 'done').catch(() => undefined);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ReceivedRecord | Missed, undefined> {
    return this.items;
  }
}
