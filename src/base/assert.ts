/** Thrown when something is seen that only a defect in this program can cause. Nobody catches it to carry on: the node stops. */
export class BugError extends Error {
  override readonly name = 'BugError';
}

/**
 * States an invariant. Use it for what only a bug can break; bad input and failing disks are operating errors with types of their own.
 * A message with a value in it is made on every call: where that is too slow, test first and throw a BugError.
 * @throws BugError when `condition` is falsy.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}

/**
 * Marks the branch that a closed union rules out; the compiler complains when a new member of the union reaches it.
 * @throws BugError always.
 */
export function unreachable(value: never): never {
  throw new BugError(`Reached a branch that the types rule out, with the value ${String(value)}`);
}
