import { CodedError } from '../../base/errors.js';

/**
 * `budget-too-small`: the memory allowed does not hold the smallest rings and arenas for this many shards;
 * `too-many-shards`: beyond what the shared tables have bits for.
 */
export type RingErrorCode = 'budget-too-small' | 'too-many-shards';

/** The shared memory of the shards cannot be laid out as configured. */
export class RingError extends CodedError<RingErrorCode> {}
