/** What a broken promise is called in the report. */
export type PromiseKind =
  | 'confirmed-lost'
  | 'offset-reused'
  | 'out-of-order'
  | 'duplicated'
  | 'settled-came-back'
  | 'acknowledgement-swallowed'
  | 'redelivered-flag'
  | 'delivery-count'
  | 'message-count'
  | 'offset-commit'
  | 'declaration'
  | 'falsely-damaged'
  | 'unknown-message'
  | 'too-early'
  | 'transaction-torn'
  | 'confirmed-twice'
  | 'not-confirmed'
  | 'not-returned'
  | 'refused-came'
  | 'priority-order'
  | 'death-header'
  | 'too-late'
  | 'node-failed';

/** A promise of the broker was broken. */
export class Violation extends Error {
  readonly kind: PromiseKind;

  constructor(kind: PromiseKind, text: string) {
    super(`${kind}: ${text}`);
    this.kind = kind;
  }
}

/** @throws Violation unless `holds`; the text is made only then. */
export function promised(holds: boolean, kind: PromiseKind, text: () => string): void {
  if (!holds) throw new Violation(kind, text());
}
