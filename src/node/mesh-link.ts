import { ByteReader } from '../base/byte-reader.js';
import { copyOf } from '../base/copy.js';
import type { PeerLink, ReplyHandler, RequestHandler } from '../broker/peer-link.js';
import { type InboundMessage, OverflowQueue, type PeerChannel, REFUSED } from '../io/ring/index.js';

/** The only kind of message between brokers: what it says is in its first byte. */
const BROKER_MESSAGE = 1;
const NO_BYTES = new Uint8Array(0);

/** A request that waits for room. Its bytes are its own. */
interface Waiting {
  readonly head: Uint8Array;
  readonly body: Uint8Array | undefined;
  readonly replyBytes: number;
  readonly onReply: ReplyHandler | undefined;
}

/** The broker's way to another shard over the rings in shared memory. */
export class MeshLink implements PeerLink {
  readonly shard: number;
  readonly maxBodyBytes: number;
  private readonly channel: PeerChannel;
  private readonly replies = new Map<number, ReplyHandler>();
  private readonly reader = new ByteReader(NO_BYTES);
  private readonly writableListeners: (() => void)[] = [];
  private readonly overflow: OverflowQueue<Waiting>;
  private head: Uint8Array = NO_BYTES;
  private tail: Uint8Array = NO_BYTES;

  /** `maxBodyBytes`: what an arena of this mesh can hold. */
  constructor(channel: PeerChannel, maxBodyBytes: number) {
    this.shard = channel.peer;
    this.maxBodyBytes = maxBodyBytes;
    this.channel = channel;
    this.overflow = new OverflowQueue<Waiting>({
      trySend: (item) => this.trySend(item.head, item.body, item.replyBytes, item.onReply),
      sizeOf: (item) => item.head.length + (item.body?.length ?? 0),
      // What may wait is bounded by the publish windows of this shard's sessions and by the prefetch of its consumers, not here: a request that
      // was taken from a socket has nowhere else to wait.
      maxItems: Number.POSITIVE_INFINITY,
      maxBytes: Number.POSITIVE_INFINITY,
    });
    channel.onWritable(() => this.flushOverflow());
  }

  get writable(): boolean {
    return this.overflow.waitingItems === 0;
  }

  get idle(): boolean {
    return this.writable && this.replies.size === 0;
  }

  /** Bytes that wait for room, for metrics. */
  get waitingBytes(): number {
    return this.overflow.waitingBytes;
  }

  request(head: Uint8Array, body: Uint8Array | undefined, replyBytes: number, onReply: ReplyHandler | undefined): void {
    if (this.writable && this.trySend(head, body, replyBytes, onReply)) return;
    this.overflow.send({
      head: copyOf(head),
      body: body === undefined ? undefined : copyOf(body),
      replyBytes,
      onReply,
    });
  }

  reply(correlation: number, bytes: Uint8Array): void {
    this.head = bytes;
    this.tail = NO_BYTES;
    this.channel.reply(correlation, BROKER_MESSAGE, bytes.length, this.writeContent);
  }

  onWritable(callback: () => void): void {
    this.writableListeners.push(callback);
  }

  /** A reply has arrived on the channel. */
  onReply(message: InboundMessage): void {
    const handler = this.replies.get(message.correlation);
    this.replies.delete(message.correlation);
    handler?.(this.reader.reset(message.bytes, message.start, message.end));
  }

  /** Hands a request or notice that arrived on the channel to the broker. */
  deliver(message: InboundMessage, isNotice: boolean, handler: RequestHandler): void {
    const head = message.bytes.subarray(message.start, message.end);
    handler(isNotice ? undefined : message.correlation, head, message.body ?? undefined);
  }

  private flushOverflow(): void {
    this.overflow.flush();
    if (!this.writable) return;
    for (const listener of this.writableListeners) listener();
  }

  private trySend(
    head: Uint8Array,
    body: Uint8Array | undefined,
    replyBytes: number,
    onReply: ReplyHandler | undefined,
  ): boolean {
    const isInline = body === undefined || head.length + body.length <= this.channel.inlineLimit;
    this.head = head;
    this.tail = isInline && body !== undefined ? body : NO_BYTES;
    const large = isInline ? null : body;
    const length = head.length + this.tail.length;
    if (onReply === undefined) return this.channel.notify(BROKER_MESSAGE, length, this.writeContent, large);
    const correlation = this.channel.request(BROKER_MESSAGE, length, replyBytes, this.writeContent, large);
    if (correlation === REFUSED) return false;
    this.replies.set(correlation, onReply);
    return true;
  }

  private readonly writeContent = (bytes: Uint8Array, start: number): void => {
    bytes.set(this.head, start);
    if (this.tail.length > 0) bytes.set(this.tail, start + this.head.length);
  };
}
