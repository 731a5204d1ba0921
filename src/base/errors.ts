/**
 * The base of every operating error. Each area declares one subclass with a closed union of codes; inner layers pass it on unchanged,
 * and only a door translates codes into those of its protocol. The message says what could not be done, to what, and the value that
 * stood in the way.
 */
export abstract class CodedError<Code extends string> extends Error {
  /** What went wrong, for programs. */
  readonly code: Code;

  constructor(code: Code, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.name = new.target.name;
  }
}

/** `truncated`: more bytes are needed; `overflow`: a number exceeds what its type may hold; `invalid`: no amount of bytes helps. */
export type DecodeErrorCode = 'truncated' | 'overflow' | 'invalid';

/** Bytes from outside do not form what they should. */
export class DecodeError extends CodedError<DecodeErrorCode> {}

/** `too-large`: the writer's size limit would be passed; `out-of-range`: a value does not fit its field. */
export type EncodeErrorCode = 'too-large' | 'out-of-range';

/** A value cannot be written in the format asked for. */
export class EncodeError extends CodedError<EncodeErrorCode> {}
