import { assert } from '../../base/assert.js';

/** What one session may have open at once. `Welcome` announces the first nine; see docs/protocols/native.md. */
export interface SessionLimits {
  /** Key, value and headers of one message, in bytes. */
  readonly maxMessageBytes: number;
  /** One WebSocket message, in bytes; also the largest text message. */
  readonly maxFrameBytes: number;
  /** Publishes sent and not yet confirmed. */
  readonly maxInflightPublishes: number;
  /** Bytes of publish frames sent and not yet confirmed; one publish may always be in flight. */
  readonly maxInflightBytes: number;
  /** Requests that wait for an answer or for an earlier request of the session. */
  readonly maxInflightRequests: number;
  /** Subscriptions open at once. */
  readonly maxSubscriptions: number;
  /** Credit of one subscription, in messages. */
  readonly maxCredit: number;
  /** Largest `max_bytes` of a fetch. */
  readonly maxFetchBytes: number;
  /** A peer that stays silent this long although it is pinged is cut off. */
  readonly idleTimeoutMs: number;
  /** Time for the handshake's Hello. */
  readonly helloTimeoutMs: number;
  /** Backlog of the socket from which on nothing but answers is added to it, in bytes. */
  readonly backlogMarkBytes: number;
  /** How long a session may outlive its connection; clients may ask for less. */
  readonly maxResumeWindowMs: number;
}

/** What requests are read by: the limits, and the virtual host of those that name none. */
export interface RequestScope extends SessionLimits {
  readonly vhost: string;
}

/** Room for everything in a publish frame that is not the message itself. */
export const FRAME_OVERHEAD_BYTES = 64 * 1024;
/** Longest frame that is not a publish, in bytes: this bounds the objects that decoding one can make. */
export const MAX_CONTROL_FRAME_BYTES = 256 * 1024;
/** Fields on the top level of one frame; a well-formed frame has two. */
export const MAX_TOP_LEVEL_FIELDS = 16;
/** Messages in one publish. */
export const MAX_MESSAGES_PER_PUBLISH = 10_000;
/** Headers of one message. */
export const MAX_HEADERS_PER_MESSAGE = 1_000;
/** Headers of all messages in one publish. */
export const MAX_HEADERS_PER_PUBLISH = 100_000;
/** Longest name of a topic or queue, in bytes: file systems and Kafka's clients know no longer ones. */
export const MAX_NAME_BYTES = 249;
/** Longest text of AMQP, in bytes: a routing key, a property, the name of an exchange or virtual host. */
export const MAX_SHORT_TEXT = 255;
/** Highest priority of a message. */
export const MAX_PRIORITY = 255;
/** Lowest and highest priority of a consumer: 32 bits. */
export const MAX_CONSUMER_PRIORITY = 0x7fff_ffff;
/** Properties of one message as they come, in bytes: this bounds the objects that decoding them can make. */
export const MAX_PROPERTIES_BYTES = 256 * 1024;
/** Arguments of a declaration or binding in AMQP's encoding, in bytes: they are metadata, which every shard keeps. */
export const MAX_ARGUMENTS_BYTES = 64 * 1024;
/** How deep the tables of headers and arguments may nest; what AMQP's own decoders take, less the table around them. */
export const MAX_VALUE_DEPTH = 30;
/** Gets of one session's poll that may wait for their answer. */
export const MAX_WAITING_GETS = 64;
/** Length of the random part of a queue's name that the node chooses, in bytes. */
export const QUEUE_NAME_BYTES = 16;
/** Longest name of a group or of a client, in bytes. */
export const MAX_LABEL_BYTES = 1024;
/** Longest metadata of a committed offset, in bytes. */
export const MAX_METADATA_BYTES = 4096;
/** Tag ranges in one Settle. */
export const MAX_TAG_RANGES = 10_000;
/** Partitions that one request may name. */
export const MAX_PARTITIONS_PER_REQUEST = 10_000;
/** Partitions that one declaration may ask for. */
export const MAX_PARTITIONS_PER_TOPIC = 10_000;
/** Entries of one Listing. */
export const MAX_LISTING_ENTRIES = 1_000;
/** Publishes of one transaction, each of which may have several messages, and settlements in it. */
export const MAX_TRANSACTION_PARTS = 1_000;
/** Transactions of one session that may be under way: what they publish is kept meanwhile. */
export const MAX_OPEN_TRANSACTIONS = 8;
/** Holders of a queue's messages that are told when the request names no number. */
export const DEFAULT_HOLDERS = 100;
/** Entries of one Listing with partition states, which each cost a question to the owners. */
export const MAX_LISTING_ENTRIES_WITH_STATE = 100;
/** Bytes that Ping may carry. */
export const MAX_PING_BYTES = 1024;
/** Fetch size when the request says 0, in bytes. */
export const DEFAULT_FETCH_BYTES = 1024 * 1024;
/** Longest time that a fetch may wait, in milliseconds. */
export const MAX_FETCH_WAIT_MS = 60_000;
/** Deepest nesting of a text frame. */
export const MAX_TEXT_DEPTH = 16;
/** Braces, brackets and commas in one text frame: this bounds the objects that parsing one can make. */
export const MAX_TEXT_TOKENS = 200_000;
/** A Deliver frame that has grown beyond this is sent, and another begun. */
export const DELIVER_FRAME_BYTES = 256 * 1024;
/** Records that one decoded frame may hold: this bounds the objects that a text frame needs. */
export const MAX_DECODED_RECORDS = 10_000;
/** Bytes of one batch after decompression, when messages are decoded for a subscriber. */
export const MAX_DECODED_BATCH_BYTES = 64 * 1024 * 1024;
/** Most credit that an automatically acknowledging consumer starts with at the broker, in messages: one for each partition up to this. */
export const FIRST_CREDIT_SLICE = 16;
/** Deliveries of a queue in one text frame. */
export const MAX_TEXT_DELIVERIES = 1024;
/** Most credit that the broker holds for one automatically acknowledging consumer, in messages. */
export const MAX_CREDIT_SLICE = 1024;
/** The version of the protocol that Hello and Welcome carry. */
export const HELLO_VERSION = 1;
/** Sessions of one shard that may wait for their clients. */
export const MAX_PARKED_SESSIONS = 10_000;
/** Deliveries that those hold back, in bytes. */
export const MAX_PARKED_BYTES = 64 * 1024 * 1024;
/** Length of the secret of a session's id. */
export const SESSION_ID_BYTES = 16;
/** Bytes of requests that may wait for the session's own earlier ones, publishes not counted: those have their window. */
export const MAX_WAITING_BYTES = 1024 * 1024;
/** Outgoing buffers of a shard that are kept for the next turn. */
export const POOLED_WRITERS = 16;
/** A pooled buffer that grew beyond this is dropped. */
export const POOLED_WRITER_BYTES = 2 * 1024 * 1024;

const defaults: SessionLimits = {
  maxMessageBytes: 16 * 1024 * 1024,
  maxFrameBytes: 16 * 1024 * 1024 + FRAME_OVERHEAD_BYTES,
  maxInflightPublishes: 8192,
  maxInflightBytes: 8 * 1024 * 1024,
  maxInflightRequests: 256,
  maxSubscriptions: 256,
  maxCredit: 65_535,
  maxFetchBytes: 8 * 1024 * 1024,
  idleTimeoutMs: 120_000,
  helloTimeoutMs: 5_000,
  // With one Deliver frame on top, a slow consumer's backlog stays within 1 MiB.
  backlogMarkBytes: 1024 * 1024 - DELIVER_FRAME_BYTES,
  maxResumeWindowMs: 30_000,
};

/** The defaults with `changes`; `maxFrameBytes` follows from `maxMessageBytes` unless it is given. */
export function sessionLimits(changes: Partial<SessionLimits> = {}): SessionLimits {
  const maxMessageBytes = changes.maxMessageBytes ?? defaults.maxMessageBytes;
  const limits = { ...defaults, maxFrameBytes: maxMessageBytes + FRAME_OVERHEAD_BYTES, ...changes, maxMessageBytes };
  assert(
    limits.maxFrameBytes >= limits.maxMessageBytes + FRAME_OVERHEAD_BYTES,
    'A frame must hold the largest message',
  );
  assert(limits.maxInflightPublishes >= 1 && limits.maxInflightRequests >= 1, 'At least one request must be allowed');
  assert(limits.maxCredit >= 1 && limits.maxSubscriptions >= 1, 'At least one delivery must be allowed');
  return limits;
}

/**
 * Most bytes that the records of a published batch may have after decompression: what would fit into a frame without compression, and what
 * can be decoded for subscribers.
 */
export function maxPublishedRecordsBytes(limits: SessionLimits): number {
  return Math.min(limits.maxFrameBytes, MAX_DECODED_BATCH_BYTES);
}

/** Backlog up to which frames are pushed, in bytes: the mark and one Deliver frame. A longer frame is pushed only when there is no backlog. */
export function pushBacklogBytes(limits: SessionLimits): number {
  return limits.backlogMarkBytes + DELIVER_FRAME_BYTES;
}

/** Backlog with which a session is closed, in bytes: the mark and one frame of the largest size on top. */
export function hardBacklogBytes(limits: SessionLimits): number {
  return limits.backlogMarkBytes + Math.max(limits.maxFrameBytes, limits.maxFetchBytes + FRAME_OVERHEAD_BYTES);
}
