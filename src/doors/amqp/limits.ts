import { assert } from '../../base/assert.js';

/** What one connection may negotiate and have open at once. */
export interface AmqpLimits {
  /** Largest frame that the node offers in Tune, header and end octet included, in bytes. */
  readonly frameMaxBytes: number;
  /** Channels of one connection that the node offers in Tune. */
  readonly channelMax: number;
  /** Heartbeat interval that the node offers in Tune, in seconds; 0 = none. */
  readonly heartbeatSeconds: number;
  /** Body of one message, in bytes. */
  readonly maxMessageBytes: number;
  /** Consumers of one channel. */
  readonly maxConsumersPerChannel: number;
  /** Time from the first byte to Open, in milliseconds. */
  readonly handshakeTimeoutMs: number;
  /** Time for the peer's close-ok, in milliseconds. */
  readonly closeTimeoutMs: number;
  /**
   * How long a peer that was refused before its connection was open is kept: it waits when it cannot be told, and has so long to answer when it was. In
   * milliseconds.
   */
  readonly silentCloseMs: number;
  /** Backlog of the socket from which on deliveries are held back, in bytes. */
  readonly backlogMarkBytes: number;
  /** Backlog from which on nothing more is read: every answer would add to it. In bytes. */
  readonly backlogStopBytes: number;
  /** Frames that wait for an earlier change of their channel, of one connection: from this on nothing more is read. In bytes. */
  readonly waitingMarkBytes: number;
  /** As above, but the connection is closed: its peer cannot be stopped from sending. In bytes. */
  readonly waitingMaxBytes: number;
  /** Bodies of one connection that are being put together from pieces, in bytes. */
  readonly assemblingMaxBytes: number;
  /** Bodies that are being put together, and what came over WebSockets while they should not be read, of all connections of a shard, in bytes. */
  readonly sharedRoomBytes: number;
  /** What an open transaction of one channel may hold, in bytes of messages and in publishes and settlements. */
  readonly transactionMaxBytes: number;
  readonly transactionMaxItems: number;
}

/** What a WebSocket whose reading cannot be stopped may send while its connection is paused, in bytes. */
export const MAX_HELD_BYTES = 64 * 1024 * 1024;
/** Smallest frame_max that may be negotiated (AMQP 0-9-1 §4.2.3: frame-min-size). */
export const FRAME_MIN_BYTES = 4096;
/** Frames before Tune, in bytes: a token in the credentials may be long. */
export const HANDSHAKE_FRAME_BYTES = 16 * 1024;
/** Type, channel and size before a payload, and the end octet after it. */
export const FRAME_OVERHEAD_BYTES = 8;
/** Peers may pass frame_max by this: several count the frame's own header wrongly, as RabbitMQ's reader knows. */
export const FRAME_FUDGE_BYTES = 8;
/** Highest announced body size that is refused with a soft error; beyond it is taken for garbage. RabbitMQ's constant. */
export const BODY_SIZE_SANITY_BYTES = 512 * 1024 * 1024;
/** A body of at most this size gets its room at once when it comes in pieces; longer ones get so much at a time, as they arrive. In bytes. */
export const EAGER_BODY_BYTES = 256 * 1024;
/** Outgoing bytes that are written before the turn has ended. */
export const OUTBOX_FLUSH_BYTES = 256 * 1024;
/** Outgoing buffers of a shard that are kept for the next turn. */
export const POOLED_WRITERS = 16;
/** A pooled buffer that grew beyond this is dropped, in bytes. */
export const POOLED_WRITER_BYTES = 2 * 1024 * 1024;
/** A client's name for its connection is shown up to this length. */
export const MAX_SHOWN_NAME_CHARACTERS = 100;
/** Longest short string, in bytes. */
export const MAX_SHORT_STRING_BYTES = 255;
/** Slots of a shard's cache of exchange names and routing keys; a power of two. */
export const SHORT_STRING_SLOTS = 1024;
/** Publishers mostly send the same properties again: those up to this size are kept for comparison, in bytes. */
export const KEPT_PROPERTIES_BYTES = 256;
/** Credit that a consumer starts with at the broker, in messages; grows when its messages prove small. */
export const FIRST_CREDIT_SLICE = 16;
/** Most credit that the broker holds for one consumer beyond what is unsettled, in messages. */
export const MAX_CREDIT_SLICE = 2048;
/** Bytes of one consumer's messages that may be under way from their owners. */
export const CREDIT_SLICE_BYTES = 256 * 1024;
/** Queues that one channel asks for single messages, before idle ones are let go. */
export const MAX_IDLE_POLLS = 16;
/** How long a connection waits before it asks again whether the broker accepts publishes, in milliseconds. */
export const ACCEPTING_POLL_MS = 2;
/** How often channel-wide prefetch is dealt out anew while it is smaller than the number of consumers, in milliseconds. */
export const PREFETCH_DEAL_MS = 20;
/** Longest time to live of a message, in milliseconds. RabbitMQ's constant. */
export const MAX_EXPIRATION_MS = 4_294_967_295;
/** Offsets that are settled with one call. */
export const SETTLE_BATCH = 4096;

const defaults: AmqpLimits = {
  frameMaxBytes: 128 * 1024,
  channelMax: 2047,
  heartbeatSeconds: 60,
  maxMessageBytes: 16 * 1024 * 1024,
  maxConsumersPerChannel: 65_535,
  handshakeTimeoutMs: 10_000,
  closeTimeoutMs: 10_000,
  silentCloseMs: 1_000,
  backlogMarkBytes: 1024 * 1024,
  backlogStopBytes: 4 * 1024 * 1024,
  waitingMarkBytes: 256 * 1024,
  waitingMaxBytes: 64 * 1024 * 1024,
  assemblingMaxBytes: 64 * 1024 * 1024,
  sharedRoomBytes: 128 * 1024 * 1024,
  transactionMaxBytes: 64 * 1024 * 1024,
  transactionMaxItems: 100_000,
};

/** The defaults with `changes`. */
export function amqpLimits(changes: Partial<AmqpLimits> = {}): AmqpLimits {
  const limits = { ...defaults, ...changes };
  assert(limits.frameMaxBytes >= FRAME_MIN_BYTES, 'A frame must have the least size that AMQP knows');
  assert(limits.channelMax >= 1 && limits.channelMax <= 65_535, 'Channels are numbered by 16 bits');
  assert(limits.assemblingMaxBytes >= limits.maxMessageBytes, 'One message must fit into what is put together');
  assert(limits.sharedRoomBytes >= limits.assemblingMaxBytes, 'One connection must fit into what all may have');
  assert(limits.backlogStopBytes > limits.backlogMarkBytes, 'Deliveries are held back before answers are');
  assert(limits.waitingMaxBytes > limits.waitingMarkBytes, 'Reading stops before the connection is closed');
  return limits;
}
