import { CodedError } from '../../base/errors.js';

/** `too-large`: the result would exceed the caller's limit; `corrupt`: the bytes are not of the format; `unavailable`: not in this process. */
export type CompressionErrorCode = 'too-large' | 'corrupt' | 'unavailable';

/** A compression failed on the bytes that it was given. */
export class CompressionError extends CodedError<CompressionErrorCode> {}

/** The error for a result that would exceed `maxBytes`. */
export function tooLarge(format: string, maxBytes: number, cause?: unknown): CompressionError {
  return new CompressionError(
    'too-large',
    `Cannot decompress ${format}: the result would exceed ${maxBytes} bytes`,
    cause,
  );
}

/** The error for bytes that are not of the format. */
export function corrupt(format: string, what: string, cause?: unknown): CompressionError {
  return new CompressionError('corrupt', `Cannot decompress ${format}: ${what}`, cause);
}
