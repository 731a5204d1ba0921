import { CodedError } from '../base/errors.js';
import type { Timers } from '../io/ports.js';

/** The node did not stop in good order within `stopTimeout`; the message says what it waited for. */
export class StopError extends CodedError<'stop-timeout'> {}

/** Whether the work is done within so many milliseconds; late work goes on. @throws what the work rejects with, while there is time */
export async function endsWithin(timers: Timers, work: Promise<void>, timeoutMs: number): Promise<boolean> {
  let isLate = (): void => undefined;
  const late = new Promise<boolean>((resolve) => {
    isLate = () => resolve(false);
  });
  const timer = timers.setTimeout(isLate, timeoutMs);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    timers.clearTimeout(timer);
  }
}
