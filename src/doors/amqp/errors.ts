import { CodedError } from '../../base/errors.js';
import { utf8Size } from '../../base/utf8.js';
import { BrokerError, type BrokerErrorCode } from '../../broker/errors.js';
import { MAX_SHORT_STRING_BYTES } from './limits.js';
import type { MethodId } from './methods.js';

/** Reply codes of AMQP 0-9-1 §1.1 with RabbitMQ's use of them. */
export const replyCodes = {
  'content-too-large': 311,
  'no-route': 312,
  'no-consumers': 313,
  'connection-forced': 320,
  'access-refused': 403,
  'not-found': 404,
  'resource-locked': 405,
  'precondition-failed': 406,
  'frame-error': 501,
  'syntax-error': 502,
  'command-invalid': 503,
  'channel-error': 504,
  'unexpected-frame': 505,
  'resource-error': 506,
  'not-allowed': 530,
  'not-implemented': 540,
  'internal-error': 541,
} as const;

/** The name of a reply code. */
export type ReplyName = keyof typeof replyCodes;

const softNames: ReadonlySet<ReplyName> = new Set([
  'content-too-large',
  'no-route',
  'no-consumers',
  'access-refused',
  'not-found',
  'resource-locked',
  'precondition-failed',
]);

/** Whether the exception ends its channel only; all others end the connection. */
export function isSoft(name: ReplyName): boolean {
  return softNames.has(name);
}

/** A channel or connection exception. The message is what follows `NAME - ` in the reply text; `method` is the method that caused it, or 0. */
export class AmqpError extends CodedError<ReplyName> {
  readonly method: MethodId;

  constructor(code: ReplyName, message: string, method: MethodId = 0, cause?: unknown) {
    super(code, message, cause);
    this.method = method;
  }
}

/** The reply text as RabbitMQ writes it: `NOT_FOUND - no queue 'q' in vhost '/'`, cut to what a short string can hold. */
export function replyText(name: ReplyName, message: string): string {
  const text = `${name.toUpperCase().replaceAll('-', '_')} - ${message}`;
  return cutShort(text);
}

/** `text`, cut to what a short string can hold. */
export function cutShort(text: string): string {
  if (utf8Size(text) <= MAX_SHORT_STRING_BYTES) return text;
  let kept = text.slice(0, MAX_SHORT_STRING_BYTES - 3);
  while (utf8Size(kept) > MAX_SHORT_STRING_BYTES - 3) kept = kept.slice(0, -1);
  // A cut through a surrogate pair would leave half of it.
  return `${kept.replace(/[\uD800-\uDBFF]$/, '')}...`;
}

const brokerReplies: Record<BrokerErrorCode, ReplyName> = {
  'invalid-request': 'precondition-failed',
  'not-found': 'not-found',
  'already-exists': 'precondition-failed',
  'wrong-kind': 'precondition-failed',
  'offset-out-of-range': 'precondition-failed',
  'too-large': 'precondition-failed',
  'limit-exceeded': 'precondition-failed',
  'corrupt-batch': 'internal-error',
  'out-of-order-sequence': 'internal-error',
  'producer-fenced': 'internal-error',
  'unknown-producer': 'internal-error',
  // RabbitMQ answers 404 as well for a queue whose process is down.
  'log-offline': 'not-found',
  'no-space': 'resource-error',
  'shutting-down': 'connection-forced',
  unsupported: 'not-implemented',
  // A delivery that was not acknowledged in time: RabbitMQ closes the channel with 406.
  timeout: 'precondition-failed',
  'resource-locked': 'resource-locked',
  'precondition-failed': 'precondition-failed',
  'access-refused': 'access-refused',
  'queue-full': 'precondition-failed',
  internal: 'internal-error',
};

/**
 * The exception that an operating error means. Errors of lower layers become `internal-error` without their text: the client learns nothing
 * of the node's inside.
 * @throws what is no operating error at all: a defect, which must stop the node.
 */
export function asAmqpError(thrown: unknown, method: MethodId): AmqpError {
  if (thrown instanceof AmqpError) return thrown;
  if (thrown instanceof BrokerError) return new AmqpError(brokerReplies[thrown.code], thrown.message, method, thrown);
  if (!(thrown instanceof CodedError)) throw thrown;
  return new AmqpError('internal-error', 'The node failed to serve the request', method, thrown);
}

/** `queue 'q' in vhost '/'`, as RabbitMQ's texts say it. */
export function resourceText(kind: 'queue' | 'exchange' | 'topic', name: string, vhost: string): string {
  return `${kind} '${name}' in vhost '${vhost}'`;
}

/** 404 with RabbitMQ's words. */
export function notFound(kind: 'queue' | 'exchange', name: string, vhost: string, method: MethodId): AmqpError {
  return new AmqpError('not-found', `no ${resourceText(kind, name, vhost)}`, method);
}
