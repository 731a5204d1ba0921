/**
 * How this shard's broker reaches another shard. The bytes of requests and replies are those of `shard-messages.ts`; the transport (rings in shared
 * memory, or direct calls in the in-thread twin) delivers them in order and loses nothing.
 */
import type { ByteReader } from '../base/byte-reader.js';

/** Takes the reply to a request; the reader's bytes are borrowed. */
export type ReplyHandler = (reply: ByteReader) => void;

/** See the top of this file. */
export interface PeerLink {
  readonly shard: number;
  /** The largest body that can be sent. */
  readonly maxBodyBytes: number;
  /** False while requests wait for room: time to hold back what can be held back, such as deliveries. */
  readonly writable: boolean;
  /** Whether no request waits for room or for its reply. */
  readonly idle: boolean;
  /**
   * Sends a request; without room it waits in order, on a list that the windows of the sessions bound. `head` and `body` are borrowed. With
   * `onReply`, room for a reply of `replyBytes` is reserved before the request leaves; without, there is none.
   */
  request(head: Uint8Array, body: Uint8Array | undefined, replyBytes: number, onReply: ReplyHandler | undefined): void;
  /** Answers a request of that shard; its room was reserved, so it always fits. */
  reply(correlation: number, bytes: Uint8Array): void;
  /** Adds a callback that runs whenever `writable` has become true again. */
  onWritable(callback: () => void): void;
}

/**
 * What arrives from another shard; bytes are borrowed. A large body comes by itself, a small one follows the head in the same bytes.
 * `correlation` is undefined when no reply is wanted.
 */
export type RequestHandler = (correlation: number | undefined, head: Uint8Array, body: Uint8Array | undefined) => void;
