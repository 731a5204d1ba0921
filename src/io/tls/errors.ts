import { CodedError } from '../../base/errors.js';

/**
 * `unreadable-file`: a file is absent, too large or not to be read; `bad-certificate`, `bad-key`, `bad-authority`: its PEM cannot be used;
 * `key-mismatch`: the key is not that of the certificate; `refused-by-engine`: the engine did not take what passed all checks.
 */
export type TlsErrorCode =
  | 'unreadable-file'
  | 'bad-certificate'
  | 'bad-key'
  | 'bad-authority'
  | 'key-mismatch'
  | 'refused-by-engine';

/** Why certificates cannot be used; names the file. */
export class TlsError extends CodedError<TlsErrorCode> {}
