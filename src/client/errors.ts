import { CodedError } from '../base/errors.js';
import { ErrorCode, type WireFrame } from '../proto/client-wire.js';

/** What the node can answer; `ErrorCode` in proto/client.proto says what each means. */
const codesOfNode = {
  [ErrorCode.ERROR_UNSPECIFIED]: 'internal',
  [ErrorCode.ERROR_INVALID_REQUEST]: 'invalid-request',
  [ErrorCode.ERROR_NOT_FOUND]: 'not-found',
  [ErrorCode.ERROR_ALREADY_EXISTS]: 'already-exists',
  [ErrorCode.ERROR_WRONG_KIND]: 'wrong-kind',
  [ErrorCode.ERROR_OFFSET_OUT_OF_RANGE]: 'offset-out-of-range',
  [ErrorCode.ERROR_TOO_LARGE]: 'too-large',
  [ErrorCode.ERROR_LIMIT_EXCEEDED]: 'limit-exceeded',
  [ErrorCode.ERROR_CORRUPT_BATCH]: 'corrupt-batch',
  [ErrorCode.ERROR_OUT_OF_ORDER_SEQUENCE]: 'out-of-order-sequence',
  [ErrorCode.ERROR_PRODUCER_FENCED]: 'producer-fenced',
  [ErrorCode.ERROR_UNKNOWN_PRODUCER]: 'unknown-producer',
  [ErrorCode.ERROR_UNAUTHENTICATED]: 'unauthenticated',
  [ErrorCode.ERROR_FORBIDDEN]: 'forbidden',
  [ErrorCode.ERROR_LOG_OFFLINE]: 'log-offline',
  [ErrorCode.ERROR_NO_SPACE]: 'no-space',
  [ErrorCode.ERROR_SHUTTING_DOWN]: 'shutting-down',
  [ErrorCode.ERROR_UNSUPPORTED]: 'unsupported',
  [ErrorCode.ERROR_TIMEOUT]: 'timeout',
  [ErrorCode.ERROR_INTERNAL]: 'internal',
  [ErrorCode.ERROR_RESOURCE_LOCKED]: 'resource-locked',
  [ErrorCode.ERROR_PRECONDITION_FAILED]: 'precondition-failed',
  [ErrorCode.ERROR_QUEUE_FULL]: 'queue-full',
} as const;

/**
 * The node's codes, and those of the client itself:
 * - `connect-failed`: no connection could be made, or the node did not greet in time.
 * - `connection-lost`: the connection broke before the answer came, and the request cannot be repeated without risk.
 * - `closed`: the client, producer or subscription was closed.
 * - `aborted`: the caller's AbortSignal fired.
 * - `protocol`: the node sent what the protocol does not allow.
 * - `buffer-full`: `enqueue` was called on and on without waiting for room.
 * - `stale-delivery`: the delivery came over a connection that is gone; the node delivers the message again.
 * - `already-settled`: the delivery was acknowledged or returned before.
 * - `unroutable`: no queue wants a mandatory message.
 * - `request-failed`: the other side's handler of a request has failed; the message is its own.
 * - `unsupported-codec`: the records are compressed, and no implementation of the codec is registered here.
 */
export type ClientErrorCode =
  | (typeof codesOfNode)[keyof typeof codesOfNode]
  | 'connect-failed'
  | 'connection-lost'
  | 'closed'
  | 'aborted'
  | 'protocol'
  | 'buffer-full'
  | 'stale-delivery'
  | 'already-settled'
  | 'unroutable'
  | 'request-failed'
  | 'unsupported-codec';

/** What can go wrong between a program and its node. */
export class ClientError extends CodedError<ClientErrorCode> {
  /** How long to wait before trying again, in milliseconds; 0 = trying again does not help or may be done at once. */
  readonly retryAfterMs: number;

  constructor(code: ClientErrorCode, message: string, cause?: unknown, retryAfterMs = 0) {
    super(code, message, cause);
    this.retryAfterMs = retryAfterMs;
  }
}

/** The node's error as the program sees it. */
export function errorOfNode(wire: WireFrame['error']): ClientError {
  const code = codesOfNode[wire?.code ?? ErrorCode.ERROR_UNSPECIFIED] ?? 'internal';
  return new ClientError(code, wire?.message || `The node answered "${code}"`, undefined, wire?.retryAfterMs ?? 0);
}

/** Anything thrown as a ClientError: the codes of records become those of the client. */
export function asClientError(thrown: unknown): ClientError {
  if (thrown instanceof ClientError) return thrown;
  if (thrown instanceof CodedError && thrown.code === 'unsupported-codec') {
    const advice = 'ask for decoded records, or register the codec with setCodec';
    return new ClientError('unsupported-codec', `${thrown.message}; ${advice}`, thrown);
  }
  if (thrown instanceof CodedError) return new ClientError('corrupt-batch', thrown.message, thrown);
  return new ClientError('internal', thrown instanceof Error ? thrown.message : String(thrown), thrown);
}

/** The error of an AbortSignal that fired. */
export function abortError(signal: AbortSignal): ClientError {
  return new ClientError('aborted', 'The caller aborted the operation', signal.reason);
}

/** A use of the client that cannot mean anything. */
export function invalidUse(message: string): ClientError {
  return new ClientError('invalid-request', message);
}
