import { CodedError } from '../../base/errors.js';

/** `unreadable`: the file or address gives nothing that can be read; `bad-keys`: what it gives are no keys. */
export class TokenKeysError extends CodedError<'unreadable' | 'bad-keys'> {}
