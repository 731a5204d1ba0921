import { CodedError } from '../../base/errors.js';

/**
 * `address-in-use`: somebody has the port; `address-unavailable`: the host is not ours or unknown, or the port needs privileges;
 * `reuse-port-unsupported`: this platform cannot share the port among threads.
 */
export type ListenErrorCode = 'address-in-use' | 'address-unavailable' | 'reuse-port-unsupported';

/** Why a port could not be listened on. */
export class ListenError extends CodedError<ListenErrorCode> {}
