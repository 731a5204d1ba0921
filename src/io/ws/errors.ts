import { CodedError } from '../../base/errors.js';

/**
 * `address-in-use`: somebody has the port; `address-unavailable`: the host is not ours or unknown, or the port needs privileges;
 * `engine-unavailable`: the engine's binary does not load; `reuse-port-unsupported`: this platform cannot share the port among threads;
 * `invalid-options`: a limit is out of range; `body-too-large`, `request-aborted`: an HTTP body did not arrive.
 */
export type WsServerErrorCode =
  | 'address-in-use'
  | 'address-unavailable'
  | 'engine-unavailable'
  | 'reuse-port-unsupported'
  | 'invalid-options'
  | 'body-too-large'
  | 'request-aborted';

/** What can go wrong with the HTTP and WebSocket listener. */
export class WsServerError extends CodedError<WsServerErrorCode> {}
