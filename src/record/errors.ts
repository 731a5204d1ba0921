import { CodedError } from '../base/errors.js';

/**
 * - `corrupt-batch`: a batch header contradicts itself or the bytes around it.
 * - `corrupt-record`: a record inside a batch contradicts its lengths or its batch.
 * - `corrupt-compression`: the records cannot be decompressed.
 * - `decompressed-too-large`: the records would take more memory than the reader allows.
 * - `unsupported-codec`: no implementation is registered here for the batch's compression.
 * - `batch-too-large`: a record does not fit into the batch being built.
 * - `reserved-header`: a client used a header name that the broker keeps for itself.
 */
export type RecordErrorCode =
  | 'corrupt-batch'
  | 'corrupt-record'
  | 'corrupt-compression'
  | 'decompressed-too-large'
  | 'unsupported-codec'
  | 'batch-too-large'
  | 'reserved-header';

/** What can go wrong with record batches. */
export class RecordError extends CodedError<RecordErrorCode> {}
