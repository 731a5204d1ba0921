import { assert } from '../../base/assert.js';
import { ARENA_FULL, type ArenaOwner, type ArenaReader } from './arena.js';
import { RingConsumer, type RingMemory, RingProducer } from './byte-ring.js';
import { OwedReplies, ReplyCredit } from './credit.js';
import { InboundMessage } from './inbound-message.js';
import {
  EXTENT_DESCRIPTOR_BYTES,
  FLAG_EXTENT,
  FLAG_NOTICE,
  LANES_OFFSET,
  MESSAGE_PREFIX_BYTES,
  messageFrameBytes,
  NOTICE_CORRELATION,
  REPLY_CONTROL_OFFSET,
  REQUEST_CONTROL_OFFSET,
} from './layout.js';
import { LANE_FRAME_FRACTION } from './limits.js';

/** What `request` returns when there is no credit. */
export const REFUSED = -1;

/**
 * Writes a message's content into `bytes` from `start` to `end`, all of it: what is left out holds old bytes. It must not throw: the
 * frame is on its way.
 */
export type ContentWriter = (bytes: Buffer, start: number, end: number) => void;

/** Takes what peers send. Messages are valid during the call only; see InboundMessage. */
export interface MessageHandlers {
  /** A peer asks: `channel(from).reply(correlation, …)` is owed to it, now or later, exactly once. */
  onRequest(message: InboundMessage): void;
  /** A peer tells something and expects no answer. */
  onNotice(message: InboundMessage): void;
  /** A peer answers the request with this correlation. */
  onReply(message: InboundMessage): void;
}

/** What a channel needs of the mesh that it is part of. */
export interface ChannelSurroundings {
  readonly laneBytes: number;
  readonly inlineLimit: number;
  /** From this shard to the peer. */
  readonly outgoing: SharedArrayBuffer;
  /** From the peer to this shard. */
  readonly incoming: SharedArrayBuffer;
  readonly ownArena: ArenaOwner;
  readonly peerArena: ArenaReader;
  readonly handlers: MessageHandlers;
  /** Wakes the peer if it sleeps. */
  readonly wakePeer: () => void;
  /** Sees to it that `flush` is called before the thread goes back to its event loop. */
  readonly flushLater: () => void;
}

function laneMemory(buffer: SharedArrayBuffer, laneBytes: number, lane: 'request' | 'reply'): RingMemory {
  assert(buffer.byteLength === LANES_OFFSET + 2 * laneBytes, `A pair buffer of ${buffer.byteLength} bytes`);
  return lane === 'request'
    ? { buffer, controlOffset: REQUEST_CONTROL_OFFSET, dataOffset: LANES_OFFSET, capacity: laneBytes }
    : { buffer, controlOffset: REPLY_CONTROL_OFFSET, dataOffset: LANES_OFFSET + laneBytes, capacity: laneBytes };
}

/**
 * One shard's end of its conversation with one other shard: requests with credit, notices, and replies that always fit
 * (docs/formats/ring.md). Nothing here waits: what cannot be sent now is refused, and the writable listeners are called when it is worth trying
 * again.
 *
 * Bodies above `inlineLimit` are given as `body` and travel in the arena; replies with a body can be refused, too, while the arena is full.
 */
export class PeerChannel {
  readonly peer: number;
  /** Largest content of a message, and of a reply, in bytes. */
  readonly inlineLimit: number;
  private readonly around: ChannelSurroundings;
  private readonly requests: RingProducer;
  private readonly replies: RingProducer;
  private readonly inRequests: RingConsumer;
  private readonly inReplies: RingConsumer;
  private readonly credit: ReplyCredit;
  private readonly owed = new OwedReplies();
  private readonly inbound: InboundMessage;
  private readonly writableListeners: (() => void)[] = [];
  // Whether something was refused, and what the state was then: a change of any of it makes it worth trying again.
  private blocked = false;
  private creditCameBack = false;
  private refusedHead = 0;
  private refusedArenaVersion = 0;

  constructor(peer: number, around: ChannelSurroundings) {
    this.peer = peer;
    this.around = around;
    this.inlineLimit = around.inlineLimit;
    this.requests = new RingProducer(laneMemory(around.outgoing, around.laneBytes, 'request'));
    this.replies = new RingProducer(laneMemory(around.outgoing, around.laneBytes, 'reply'));
    this.inRequests = new RingConsumer(laneMemory(around.incoming, around.laneBytes, 'request'));
    this.inReplies = new RingConsumer(laneMemory(around.incoming, around.laneBytes, 'reply'));
    // A frame's worth is held back for the gap at the end of the lane.
    this.credit = new ReplyCredit(around.laneBytes - around.laneBytes / LANE_FRAME_FRACTION);
    this.inbound = new InboundMessage(peer, around.peerArena, around.wakePeer);
  }

  /**
   * Sends a request whose reply has at most `replyBytes` of content. Returns its correlation, or REFUSED when the request lane, the room
   * for replies or (with a body) the arena is exhausted.
   */
  request(
    kind: number,
    contentBytes: number,
    replyBytes: number,
    writeContent: ContentWriter,
    body: Uint8Array | null = null,
  ): number {
    assert(
      replyBytes >= 0 && replyBytes <= this.inlineLimit,
      `A reply of ${replyBytes} bytes exceeds ${this.inlineLimit}`,
    );
    const reservation = messageFrameBytes(replyBytes);
    if (!this.credit.allows(reservation)) {
      this.around.ownArena.giveUp(this.arenaRequester(this.requests));
      this.requests.refresh();
      return this.refuse();
    }
    const position = this.reserve(this.requests, contentBytes, body);
    if (position < 0) return this.refuse();
    const correlation = this.credit.take(reservation);
    writeHeader(this.requests.bytes, position, kind, 0, correlation, replyBytes);
    this.fill(this.requests, position, contentBytes, writeContent, body);
    return correlation;
  }

  /** Sends a message that has no reply. Returns false when the request lane or (with a body) the arena is exhausted. */
  notify(kind: number, contentBytes: number, writeContent: ContentWriter, body: Uint8Array | null = null): boolean {
    const position = this.reserve(this.requests, contentBytes, body);
    if (position < 0) {
      this.refuse();
      return false;
    }
    writeHeader(this.requests.bytes, position, kind, FLAG_NOTICE, NOTICE_CORRELATION, 0);
    this.fill(this.requests, position, contentBytes, writeContent, body);
    return true;
  }

  /**
   * Answers a request. The room was reserved by the requester, so without a body this always succeeds; with one it returns false while the
   * arena is full, and the answer is still owed.
   */
  reply(
    correlation: number,
    kind: number,
    contentBytes: number,
    writeContent: ContentWriter,
    body: Uint8Array | null = null,
  ): boolean {
    const allowed = this.owed.sizeOf(correlation);
    assert(contentBytes <= allowed, `A reply of ${contentBytes} bytes to a request that reserved ${allowed}`);
    const position = this.reserve(this.replies, contentBytes, body);
    if (position < 0) {
      assert(body !== null, `There is no room for a reply of ${contentBytes} bytes although it was reserved`);
      this.refuse();
      return false;
    }
    this.owed.remove(correlation);
    writeHeader(this.replies.bytes, position, kind, 0, correlation, 0);
    this.fill(this.replies, position, contentBytes, writeContent, body);
    return true;
  }

  /** Adds a listener that is called when it is worth trying again after something was refused. */
  onWritable(listener: () => void): void {
    this.writableListeners.push(listener);
  }

  /** Publishes what was written and wakes the peer for it. */
  flush(): void {
    const hasReplies = this.replies.publish();
    const hasRequests = this.requests.publish();
    if (hasReplies || hasRequests) this.around.wakePeer();
  }

  /** Hands over what the peer has sent: at most `limit` replies, and as many requests and notices. Returns their number. */
  drain(limit: number): number {
    const replies = this.inReplies.drain(this.takeReply, limit);
    if (this.credit.releaseSettled()) this.creditCameBack = true;
    const requests = this.inRequests.drain(this.takeRequest, limit);
    if (requests > 0 && this.inRequests.takeWanted()) this.around.wakePeer();
    return replies + requests;
  }

  /** Whether `drain` or `retry` have something to do. */
  hasWork(): boolean {
    if (!this.inReplies.isEmpty() || !this.inRequests.isEmpty()) return true;
    return this.blocked && this.hasChangedSinceRefusal();
  }

  /** Calls the writable listeners if something was refused and the reason may be gone. */
  retry(): void {
    if (!this.blocked || !this.hasChangedSinceRefusal()) return;
    this.blocked = false;
    for (const listener of this.writableListeners) listener();
  }

  /** Fill of the lanes and of the credit, for metrics. */
  occupancy(): { requestBytes: number; replyBytes: number; reservedBytes: number; outstanding: number; owed: number } {
    return {
      requestBytes: this.requests.usedBytes,
      replyBytes: this.replies.usedBytes,
      reservedBytes: this.credit.reservedBytes,
      outstanding: this.credit.outstanding,
      owed: this.owed.outstanding,
    };
  }

  private refuse(): typeof REFUSED {
    // The peer can only make room by working on what it sees.
    this.flush();
    if (!this.blocked) {
      this.blocked = true;
      this.creditCameBack = false;
      this.refusedHead = this.requests.lastSeenHead;
      this.refusedArenaVersion = this.around.ownArena.version;
    }
    return REFUSED;
  }

  private hasChangedSinceRefusal(): boolean {
    const arena = this.around.ownArena;
    return (
      this.creditCameBack ||
      this.requests.headMovedFrom(this.refusedHead) ||
      arena.version !== this.refusedArenaVersion ||
      arena.hasReleases()
    );
  }

  // Requests and replies to one peer wait for the arena independently of each other.
  private arenaRequester(lane: RingProducer): number {
    return this.peer * 2 + (lane === this.requests ? 0 : 1);
  }

  // Makes the frame, and the extent for the body with it: whoever waits holds neither.
  private reserve(lane: RingProducer, contentBytes: number, body: Uint8Array | null): number {
    assert(contentBytes >= 0 && contentBytes <= this.inlineLimit, `A content of ${contentBytes} bytes`);
    const payloadBytes = MESSAGE_PREFIX_BYTES + (body === null ? 0 : EXTENT_DESCRIPTOR_BYTES) + contentBytes;
    const mark = lane.mark();
    let position = lane.tryReserve(payloadBytes);
    if (position < 0 && lane === this.requests) {
      lane.askForRoom();
      position = lane.tryReserve(payloadBytes);
    }
    const requester = this.arenaRequester(lane);
    // Who cannot send must not keep the arena from those who can.
    if (position < 0) this.around.ownArena.giveUp(requester);
    if (position < 0 || body === null) return position;
    const granule = this.around.ownArena.allocate(body.length, requester);
    if (granule === ARENA_FULL) {
      lane.rollback(mark);
      // The lane had room: what moved there until now is no reason to try again.
      this.requests.refresh();
      return REFUSED;
    }
    this.around.ownArena.bytes(granule, body.length).set(body);
    writeU32(lane.bytes, position + MESSAGE_PREFIX_BYTES, granule);
    writeU32(lane.bytes, position + MESSAGE_PREFIX_BYTES + 4, body.length);
    return position;
  }

  private fill(
    lane: RingProducer,
    position: number,
    contentBytes: number,
    writeContent: ContentWriter,
    body: Uint8Array | null,
  ): void {
    let start = position + MESSAGE_PREFIX_BYTES;
    if (body !== null) {
      lane.bytes[position + 1]! |= FLAG_EXTENT;
      start += EXTENT_DESCRIPTOR_BYTES;
    }
    writeContent(lane.bytes, start, start + contentBytes);
    // A long turn does not keep the peer waiting for its end.
    if (lane.unpublishedBytes >= lane.capacity / LANE_FRAME_FRACTION) this.flush();
    else this.around.flushLater();
  }

  private readonly takeRequest = (bytes: Buffer, start: number, end: number): void => {
    const message = this.inbound;
    message.open(bytes, start, end);
    try {
      if ((bytes[start + 1]! & FLAG_NOTICE) !== 0) {
        this.around.handlers.onNotice(message);
      } else {
        this.owed.add(message.correlation, message.replyBytes);
        this.around.handlers.onRequest(message);
      }
    } finally {
      message.close();
    }
  };

  private readonly takeReply = (bytes: Buffer, start: number, end: number): void => {
    const message = this.inbound;
    message.open(bytes, start, end);
    try {
      this.credit.settle(message.correlation);
      this.around.handlers.onReply(message);
    } finally {
      message.close();
    }
  };
}

function writeU32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function writeHeader(
  bytes: Buffer,
  position: number,
  kind: number,
  flags: number,
  correlation: number,
  replyBytes: number,
): void {
  assert(kind >= 0 && kind <= 0xff, `Message kind ${kind}`);
  bytes[position] = kind;
  bytes[position + 1] = flags;
  bytes[position + 2] = 0;
  bytes[position + 3] = 0;
  writeU32(bytes, position + 4, correlation);
  writeU32(bytes, position + 8, replyBytes);
}
