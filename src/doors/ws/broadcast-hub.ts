import { assert } from '../../base/assert.js';
import { encodeUtf8 } from '../../base/utf8.js';
import type { BrokerError } from '../../broker/errors.js';
import type { BatchFollower, Broker, FetchedBatches, FollowHandle, TopicEntry } from '../../broker/ports.js';
import { prepareFrame } from '../../io/ws/frame.js';
import type { PreparedFrame } from '../../io/ws/port.js';
import { countMessages, decodeRecords, writeDecoded } from './batches.js';
import { writeBatches } from './frame-writer.js';
import { encodeText } from './text-answers.js';
import { asReason } from './topic-subscription.js';
import type { WriterPool } from './writer-pool.js';

/** How a broadcast's records are written. */
export type BroadcastForm = 'batches' | 'decoded' | 'text';

/** One session's part in a channel. */
export interface BroadcastSubscriber {
  /** Records from `first` up to `next` of a partition, `messages` of them. The same frame goes to everybody. */
  frame(frame: PreparedFrame, partition: number, first: number, next: number, messages: number): void;
  /** The channel ended. */
  ended(error: BrokerError): void;
}

/** One topic in one form: one reader and one encoding, however many sessions of this shard follow. */
export class Channel implements BatchFollower {
  /** Names the channel in Broadcast frames. */
  readonly number: number;
  private readonly hub: BroadcastHub;
  private readonly key: string;
  private readonly form: BroadcastForm;
  private readonly subscribers = new Set<BroadcastSubscriber>();
  private readonly positions = new Map<number, number>();
  private handle: FollowHandle | undefined;
  private isOver = false;

  constructor(hub: BroadcastHub, key: string, number: number, form: BroadcastForm) {
    this.hub = hub;
    this.key = key;
    this.number = number;
    this.form = form;
  }

  /** Begins to follow at the end of every partition. */
  start(broker: Broker, topic: TopicEntry): void {
    const positions = topic.partitions.map(({ partition }) => ({
      partition,
      offset: broker.bounds(topic, partition).end,
    }));
    for (const { partition, offset } of positions) this.positions.set(partition, offset);
    this.handle = broker.follow(topic, positions, this);
    if (this.isOver) this.handle.cancel();
  }

  /** Where the next frame of a partition begins. */
  position(partition: number): number {
    return this.positions.get(partition) ?? 0;
  }

  /** Whether the channel has ended and takes nobody in. */
  get isClosed(): boolean {
    return this.isOver;
  }

  add(subscriber: BroadcastSubscriber): void {
    assert(!this.isOver, 'A channel that has ended was joined');
    this.subscribers.add(subscriber);
  }

  /** The last one to leave ends the channel. */
  leave(subscriber: BroadcastSubscriber): void {
    this.subscribers.delete(subscriber);
    if (this.subscribers.size > 0 || this.isOver) return;
    this.isOver = true;
    this.hub.forget(this.key, this);
    this.handle?.cancel();
  }

  batches(fetched: FetchedBatches): boolean {
    if (this.isOver) return true;
    try {
      if (fetched.error !== undefined) throw fetched.error;
      this.pass(fetched);
    } catch (thrown) {
      this.handle?.cancel();
      this.closed(asReason(thrown));
    }
    return true;
  }

  private pass(fetched: FetchedBatches): void {
    const { partition, batches, nextOffset } = fetched;
    const from = this.position(partition);
    let first = from;
    const messages = countMessages(batches, from);
    let counted = messages;
    this.encode(partition, batches, from, nextOffset, (payload, next) => {
      const frame = prepareFrame(payload, this.form === 'text');
      for (const subscriber of this.subscribers) subscriber.frame(frame, partition, first, next, counted);
      first = next;
      // Only whole chunks are counted: the first frame of several stands for all.
      counted = 0;
    });
    this.positions.set(partition, nextOffset);
  }

  private encode(
    partition: number,
    batches: Uint8Array,
    from: number,
    nextOffset: number,
    send: (payload: Uint8Array, next: number) => void,
  ): void {
    if (this.form === 'text') {
      for (let reached = from; reached < nextOffset; ) {
        const records = decodeRecords(partition, batches, reached, nextOffset);
        reached = records.nextOffset ?? nextOffset;
        send(encodeUtf8(encodeText({ broadcast: { channel: this.number, records: [records] } })), reached);
      }
      return;
    }
    const writer = this.hub.writers.take();
    const target = { kind: 'broadcast', number: this.number } as const;
    if (this.form === 'decoded') writeDecoded(writer, target, partition, batches, from, nextOffset, send);
    else send(writeBatches(writer, target, partition, nextOffset, batches), nextOffset);
    this.hub.writers.give(writer);
  }

  closed(error: BrokerError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.hub.forget(this.key, this);
    for (const subscriber of [...this.subscribers]) subscriber.ended(error);
    this.subscribers.clear();
  }
}

/** The channels of one shard. */
export class BroadcastHub {
  readonly writers: WriterPool;
  private readonly broker: Broker;
  private readonly channels = new Map<string, Channel>();
  private nextNumber = 1;

  constructor(broker: Broker, writers: WriterPool) {
    this.broker = broker;
    this.writers = writers;
  }

  /** The channel of a topic in a form, begun if nobody follows it yet. The caller adds itself at once. */
  channel(topic: TopicEntry, form: BroadcastForm): Channel {
    const key = `${topic.topicId} ${form}`;
    const known = this.channels.get(key);
    if (known !== undefined) return known;
    const channel = new Channel(this, key, this.nextNumber++, form);
    // Known before it starts, so that one which ends at once is forgotten; not known when it cannot start at all.
    this.channels.set(key, channel);
    try {
      channel.start(this.broker, topic);
    } catch (thrown) {
      this.channels.delete(key);
      throw thrown;
    }
    return channel;
  }

  /** Number of channels open. */
  get size(): number {
    return this.channels.size;
  }

  /** Takes an ended channel out. */
  forget(key: string, channel: Channel): void {
    if (this.channels.get(key) === channel) this.channels.delete(key);
  }
}
