/**
 * Replies that go to one connection on another shard and are stored nowhere: direct reply-to. Best effort: what a congested ring cannot take within a
 * bound is lost, like a reply to somebody who has gone.
 */
import { ByteReader } from '../base/byte-reader.js';
import { ByteWriter } from '../base/byte-writer.js';
import { KEPT_REPLY_BYTES, MAX_WAITING_REPLY_BYTES } from './limits.js';
import type { PeerLink } from './peer-link.js';
import { Op } from './shard-messages.js';

/** Takes replies for connections of this shard. The bytes are borrowed. */
export type ReplyReceiver = (address: string, properties: Uint8Array, body: Uint8Array) => void;

/** The way to one shard, and how many bytes of replies wait there for room. */
interface Way {
  readonly link: PeerLink;
  waitingBytes: number;
}

/** See the top of this file. One per shard. */
export class DirectReplies {
  /** Set by the door that made the addresses. */
  receiver: ReplyReceiver | undefined;
  private readonly ways: (Way | undefined)[] = [];
  private readonly head = new ByteWriter(256);
  private body = new Uint8Array(0);
  private readonly reader = new ByteReader(new Uint8Array(0));

  /** Adds the way to another shard. */
  connect(link: PeerLink): void {
    const way = { link, waitingBytes: 0 };
    this.ways[link.shard] = way;
    link.onWritable(() => {
      way.waitingBytes = 0;
    });
  }

  /** Sends a reply to another shard. The bytes are borrowed. */
  sendReply(shard: number, address: string, properties: Uint8Array, body: Uint8Array): void {
    const way = this.ways[shard];
    if (way === undefined) return;
    const bytes = properties.length + body.length;
    if (bytes > way.link.maxBodyBytes) return;
    if (!way.link.writable && way.waitingBytes + bytes > MAX_WAITING_REPLY_BYTES) return;
    const head = this.head.reset();
    head.u8(Op.directReply);
    const lengthAt = head.skip(2);
    head.utf8(address);
    head.patchU16(lengthAt, head.at - lengthAt - 2);
    head.u32(properties.length);
    way.link.request(head.view(), this.joined(properties, body), 0, undefined);
    if (!way.link.writable) way.waitingBytes += bytes;
  }

  /** Takes a reply from another shard. Returns false when the op is another one. */
  handle(head: Uint8Array, body: Uint8Array | undefined): boolean {
    const reader = this.reader.reset(head);
    if (reader.u8() !== Op.directReply) return false;
    const address = reader.utf8(reader.u16());
    const propertiesLength = reader.u32();
    if (body !== undefined) reader.reset(body);
    const properties = reader.view(propertiesLength);
    this.receiver?.(address, properties, reader.view(reader.remaining));
    return true;
  }

  /** Both parts behind each other, as the rings want a body; valid until the next call. */
  private joined(properties: Uint8Array, body: Uint8Array): Uint8Array {
    const length = properties.length + body.length;
    const room = length <= KEPT_REPLY_BYTES ? this.kept() : new Uint8Array(length);
    room.set(properties, 0);
    room.set(body, properties.length);
    return room.subarray(0, length);
  }

  private kept(): Uint8Array {
    if (this.body.length === 0) this.body = new Uint8Array(KEPT_REPLY_BYTES);
    return this.body;
  }
}
