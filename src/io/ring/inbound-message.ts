import { assert } from '../../base/assert.js';
import type { ArenaReader } from './arena.js';
import { EXTENT_DESCRIPTOR_BYTES, FLAG_EXTENT, MESSAGE_PREFIX_BYTES } from './layout.js';

/** A large body that its receiver keeps beyond the handler's call. */
export interface HeldBody {
  /** The body, in the sender's arena. Nobody may touch it after `release`. */
  readonly bytes: Buffer;
  /** Gives the memory back to the sender; to be called exactly once. Until then it counts against the sender's arena. */
  release(): void;
}

/**
 * What a peer has sent. One object serves all messages of a channel: its fields and the bytes are valid only while the handler runs. The
 * content lies in `bytes` from `start` to `end`.
 */
export class InboundMessage {
  /** The shard that sent it. */
  readonly from: number;
  /** The sender's word for what the content is. */
  kind = 0;
  /** Names the request: to be given to `reply`, or as `request` returned it. */
  correlation = 0;
  /** Most content that the reply may have, in bytes. */
  replyBytes = 0;
  /** The ring's bytes. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** The large body in the sender's arena, if there is one. It goes back after the handler's call unless `keepBody` is called. */
  body: Buffer | null = null;
  private granule = 0;
  private isKept = false;
  private readonly arena: ArenaReader;
  private readonly wakeSender: () => void;

  constructor(from: number, arena: ArenaReader, wakeSender: () => void) {
    this.from = from;
    this.arena = arena;
    this.wakeSender = wakeSender;
  }

  /** A copy of the content. */
  copyContent(): Buffer {
    return Buffer.from(this.bytes.subarray(this.start, this.end));
  }

  /** Keeps the body beyond the handler's call. */
  keepBody(): HeldBody {
    assert(this.body !== null && !this.isKept, 'There is no body to keep');
    this.isKept = true;
    const { granule, arena, wakeSender } = this;
    return {
      bytes: this.body,
      release: () => {
        arena.release(granule);
        wakeSender();
      },
    };
  }

  /** Points at the payload of a frame. For the channel. */
  open(bytes: Buffer, position: number, end: number): void {
    assert(end - position >= MESSAGE_PREFIX_BYTES, `A message of ${end - position} bytes`);
    this.bytes = bytes;
    this.kind = bytes[position]!;
    this.correlation = readU32(bytes, position + 4);
    this.replyBytes = readU32(bytes, position + 8);
    this.start = position + MESSAGE_PREFIX_BYTES;
    this.end = end;
    this.isKept = false;
    if ((bytes[position + 1]! & FLAG_EXTENT) === 0) return;
    this.granule = readU32(bytes, this.start);
    this.body = this.arena.bytes(this.granule, readU32(bytes, this.start + 4));
    this.start += EXTENT_DESCRIPTOR_BYTES;
  }

  /** Ends the handler's call. For the channel. */
  close(): void {
    if (this.body === null) return;
    this.body = null;
    if (this.isKept) return;
    this.arena.release(this.granule);
    this.wakeSender();
  }
}

function readU32(bytes: Buffer, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
