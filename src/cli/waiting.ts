/** Waiting for one of several things, without leaving listeners or timers behind. */

/**
 * The outcome of `pending`, or `idle` when it takes longer than `idleMs` (undefined: no limit), or `aborted` when the signal fires first. `pending` goes on,
 * and can be waited for again.
 */
export async function firstOf<Value>(
  pending: Promise<Value>,
  idleMs: number | undefined,
  signal: AbortSignal,
): Promise<Value | 'idle' | 'aborted'> {
  if (signal.aborted) return 'aborted';
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  const others = new Promise<'idle' | 'aborted'>((resolve) => {
    onAbort = () => resolve('aborted');
    signal.addEventListener('abort', onAbort, { once: true });
    if (idleMs !== undefined) timer = setTimeout(() => resolve('idle'), idleMs);
  });
  try {
    return await Promise.race([pending, others]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Waits until `timeMs` on the clock of performance.now(), or until the signal fires. */
export async function sleepUntil(timeMs: number, signal: AbortSignal): Promise<void> {
  const waitMs = timeMs - performance.now();
  if (waitMs > 0) await firstOf(new Promise<never>(() => undefined), waitMs, signal);
}
