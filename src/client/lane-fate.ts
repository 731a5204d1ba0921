import type { ClientError, ClientErrorCode } from './errors.js';
import { MAX_SEQUENCE_RESETS } from './limits.js';
import type { SealedBatch } from './sealed-batch.js';

/** `again`: at once; `later`: after a while; `reset`: under a new producer id; `drop`: never, the error is the message's outcome. */
export type BatchFate = 'again' | 'later' | 'reset' | 'drop';

/** Refusals that pass: nothing is wrong with the batch. */
const passing: ReadonlySet<ClientErrorCode> = new Set(['no-space', 'limit-exceeded', 'timeout', 'shutting-down']);
/** Refusals after which the batch may be stored all the same. */
const uncertain: ReadonlySet<ClientErrorCode> = new Set(['timeout', 'internal', 'log-offline']);

/**
 * What becomes of a refused batch. `isHead`: no batch before it in the sequence is without an outcome, so a refusal for its place in the sequence
 * means that the node's memory of the sequence is gone (it lost messages that were confirmed in memory only, or forgot a long silent producer).
 */
export function fateOf(
  batch: SealedBatch,
  error: ClientError,
  isHead: boolean,
  isIdempotent: boolean,
  nowMs: number,
): BatchFate {
  const wasUncertain = batch.isUncertain;
  if (uncertain.has(error.code)) batch.isUncertain = true;
  if (passing.has(error.code)) return batch.deadlineMs <= nowMs ? 'drop' : 'later';
  const isSequence = error.code === 'out-of-order-sequence' || error.code === 'unknown-producer';
  if (!isSequence || !isIdempotent) return 'drop';
  if (!isHead) return 'again';
  if (batch.resets >= MAX_SEQUENCE_RESETS) return 'drop';
  // A node that has forgotten the producer cannot tell whether it has this batch from an earlier sending.
  if (error.code === 'unknown-producer' && wasUncertain) return 'drop';
  // A gap before the batch proves that it is not stored.
  batch.isUncertain = false;
  return 'reset';
}
