import { CodedError } from '../base/errors.js';

/** Why the broker could not do what a session asked; only a door translates these into its protocol's codes. */
export type BrokerErrorCode =
  | 'invalid-request'
  | 'not-found'
  | 'already-exists'
  | 'wrong-kind'
  | 'offset-out-of-range'
  | 'too-large'
  | 'limit-exceeded'
  | 'corrupt-batch'
  | 'out-of-order-sequence'
  | 'producer-fenced'
  | 'unknown-producer'
  | 'log-offline'
  | 'no-space'
  | 'shutting-down'
  | 'unsupported'
  | 'timeout'
  | 'resource-locked'
  /** Exists, and differs from what is declared in the RabbitMQ model; or is in use, or not empty. */
  | 'precondition-failed'
  | 'access-refused'
  /** A queue with `reject-publish` has reached its length. */
  | 'queue-full'
  | 'internal';

/** An operating error of the broker. The message says what could not be done, to what, and the value that stood in the way. */
export class BrokerError extends CodedError<BrokerErrorCode> {}
