import { CodedError } from '../../base/errors.js';
import { BrokerError, type BrokerErrorCode } from '../../broker/errors.js';

/** Why a request was refused. */
export type ManagementErrorCode =
  | 'bad-request'
  | 'not-json'
  | 'not-authenticated'
  | 'not-authorised'
  | 'forbidden-origin'
  | 'not-found'
  | 'method-not-allowed'
  | 'too-large'
  | 'page-out-of-range'
  | 'invalid-pagination'
  | 'unsupported'
  | 'unavailable'
  | 'internal';

/** An error with the status and the words that RabbitMQ's API uses for it. The message becomes the `reason`. */
export class ManagementError extends CodedError<ManagementErrorCode> {}

const ANSWERS: Readonly<Record<ManagementErrorCode, { readonly status: number; readonly error: string }>> = {
  'bad-request': { status: 400, error: 'bad_request' },
  'not-json': { status: 400, error: 'bad_request' },
  'not-authenticated': { status: 401, error: 'not_authorized' },
  'not-authorised': { status: 401, error: 'not_authorised' },
  'forbidden-origin': { status: 403, error: 'forbidden' },
  'not-found': { status: 404, error: 'not_found' },
  'method-not-allowed': { status: 405, error: 'method_not_allowed' },
  'too-large': { status: 400, error: 'bad_request' },
  'page-out-of-range': { status: 400, error: 'page_out_of_range' },
  'invalid-pagination': { status: 400, error: 'invalid_pagination_parameters' },
  unsupported: { status: 501, error: 'not_implemented' },
  unavailable: { status: 503, error: 'service_unavailable' },
  internal: { status: 500, error: 'internal_server_error' },
};

/** Reason of a `not-found` that says no more than that what the path names is not there. */
const NOTHING_THERE = 'Not Found';

/** Status and `error` of an answer that refuses. */
export function refusalOf({ code, message }: ManagementError): { readonly status: number; readonly error: string } {
  if (code === 'not-found' && message === NOTHING_THERE) return { status: 404, error: 'Object Not Found' };
  return ANSWERS[code];
}

const CODES: Readonly<Record<BrokerErrorCode, ManagementErrorCode>> = {
  'invalid-request': 'bad-request',
  'not-found': 'not-found',
  'already-exists': 'bad-request',
  'wrong-kind': 'bad-request',
  'offset-out-of-range': 'bad-request',
  'too-large': 'bad-request',
  'limit-exceeded': 'bad-request',
  'corrupt-batch': 'bad-request',
  'out-of-order-sequence': 'bad-request',
  'producer-fenced': 'bad-request',
  'unknown-producer': 'bad-request',
  'log-offline': 'unavailable',
  'no-space': 'unavailable',
  'shutting-down': 'unavailable',
  unsupported: 'bad-request',
  timeout: 'unavailable',
  'resource-locked': 'bad-request',
  'precondition-failed': 'bad-request',
  'access-refused': 'not-authorised',
  'queue-full': 'bad-request',
  internal: 'internal',
};

/** What was thrown, as an error of this door; undefined for what is a defect and must not be hidden. */
export function asManagementError(thrown: unknown): ManagementError | undefined {
  if (thrown instanceof ManagementError) return thrown;
  if (thrown instanceof BrokerError) return new ManagementError(CODES[thrown.code], thrown.message, thrown);
  return undefined;
}

/** @throws ManagementError always. */
export function badRequest(reason: string): never {
  throw new ManagementError('bad-request', reason);
}

/** @throws ManagementError always: what the path names does not exist. RabbitMQ says no more than that. */
export function notFound(reason = NOTHING_THERE): never {
  throw new ManagementError('not-found', reason);
}
