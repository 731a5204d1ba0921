import { CodedError } from '../../base/errors.js';

/**
 * `engine-unavailable`: the engine's binary does not load;
 * `invalid-options`: a limit is out of range; `body-too-large`, `request-aborted`: an HTTP body did not arrive.
 */
export type WsServerErrorCode = 'engine-unavailable' | 'invalid-options' | 'body-too-large' | 'request-aborted';

/** What can go wrong with the HTTP and WebSocket listener. */
export class WsServerError extends CodedError<WsServerErrorCode> {}
