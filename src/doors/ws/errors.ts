import { CodedError } from '../../base/errors.js';
import { BrokerError, type BrokerErrorCode } from '../../broker/errors.js';
import type { duolog } from '../../proto/client.js';
import { ErrorCode } from '../../proto/client-wire.js';

/**
 * Why a session closes its connection: WebSocket close codes of RFC 6455 §7.4.1, and Duolog's own from 4000. docs/protocols/native.md lists them,
 * and 1001, with which the server itself closes all connections when the node stops.
 */
export const closeCodes = {
  /** The frame breaks the protocol: a kind that only nodes send, two kinds at once. */
  protocol: 1002,
  /** The frame cannot be decoded: malformed protobuf, JSON or UTF-8. */
  undecodable: 1007,
  /** A window that Welcome announced was overrun. */
  policy: 1008,
  /** A frame is longer than its kind may be. */
  tooBig: 1009,
  /** The client does not read what it asked for. */
  slowReader: 1013,
  /** No Hello within the time limit. */
  helloTimeout: 4000,
  /** The first frame is no Hello, or there is a second Hello. */
  helloExpected: 4001,
  /** The node does not speak the version that Hello asks for. */
  version: 4002,
  /** The credentials were not accepted. */
  unauthenticated: 4003,
  /** The session to resume is on another shard: another connection may lead there. */
  elsewhere: 4004,
  /** An operator ended the connection; the reason is theirs. */
  byOperator: 4005,
} as const;

/** One of Duolog's close codes, by name. */
export type CloseName = keyof typeof closeCodes;

/** The peer broke the protocol so that the session cannot go on; the socket is closed with `closeCodes[code]` and the message as reason. */
export class ProtocolError extends CodedError<CloseName> {}

const wireCodes: Record<BrokerErrorCode, duolog.client.v1.ErrorCode> = {
  'invalid-request': ErrorCode.ERROR_INVALID_REQUEST,
  'not-found': ErrorCode.ERROR_NOT_FOUND,
  'already-exists': ErrorCode.ERROR_ALREADY_EXISTS,
  'wrong-kind': ErrorCode.ERROR_WRONG_KIND,
  'offset-out-of-range': ErrorCode.ERROR_OFFSET_OUT_OF_RANGE,
  'too-large': ErrorCode.ERROR_TOO_LARGE,
  'limit-exceeded': ErrorCode.ERROR_LIMIT_EXCEEDED,
  'corrupt-batch': ErrorCode.ERROR_CORRUPT_BATCH,
  'out-of-order-sequence': ErrorCode.ERROR_OUT_OF_ORDER_SEQUENCE,
  'producer-fenced': ErrorCode.ERROR_PRODUCER_FENCED,
  'unknown-producer': ErrorCode.ERROR_UNKNOWN_PRODUCER,
  'log-offline': ErrorCode.ERROR_LOG_OFFLINE,
  'no-space': ErrorCode.ERROR_NO_SPACE,
  'shutting-down': ErrorCode.ERROR_SHUTTING_DOWN,
  unsupported: ErrorCode.ERROR_UNSUPPORTED,
  timeout: ErrorCode.ERROR_TIMEOUT,
  'resource-locked': ErrorCode.ERROR_RESOURCE_LOCKED,
  'precondition-failed': ErrorCode.ERROR_PRECONDITION_FAILED,
  'access-refused': ErrorCode.ERROR_FORBIDDEN,
  'queue-full': ErrorCode.ERROR_QUEUE_FULL,
  internal: ErrorCode.ERROR_INTERNAL,
};

/** How long a client should wait before it tries again what failed for one of these reasons, in milliseconds. */
const retryAfterMs: Partial<Record<BrokerErrorCode, number>> = {
  'no-space': 1000,
  'shutting-down': 1000,
  timeout: 100,
  'queue-full': 100,
  'limit-exceeded': 100,
};

/** Longest error text that is sent, in UTF-16 units: a text may quote what the client sent. */
const MAX_TEXT_UNITS = 1024;

/** The protocol's form of a broker's error. */
export function wireError(error: BrokerError): duolog.client.v1.Error.$Properties {
  const wire = { code: wireCodes[error.code], message: error.message.slice(0, MAX_TEXT_UNITS) };
  const retry = retryAfterMs[error.code];
  return retry === undefined ? wire : { ...wire, retryAfterMs: retry };
}

/**
 * What a request is answered that failed with `thrown`. Operating errors of lower layers become `internal`, without their text: the client
 * learns nothing of the node's inside.
 * @throws what is no operating error at all: a defect, which must stop the node.
 */
export function asBrokerError(thrown: unknown): BrokerError {
  if (thrown instanceof BrokerError) return thrown;
  if (!(thrown instanceof CodedError)) throw thrown;
  return new BrokerError('internal', 'The node failed to serve the request', thrown);
}

/** A request that cannot be served as it stands. */
export function invalidRequest(message: string): BrokerError {
  return new BrokerError('invalid-request', message);
}
