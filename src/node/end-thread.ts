/**
 * Ends the calling thread, and with it the node, by an exception that nobody catches. Not thrown here: this is called in the midst of promises, whose
 * handlers take a failure for one that has been dealt with, and the node would go on with half of its logs. `later` runs its argument outside of them.
 */
export function endThread(error: Error, later: (work: () => void) => void = queueMicrotask): void {
  later(() => {
    throw error;
  });
}
