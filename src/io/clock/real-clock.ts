import type { Clock, ImmediateHandle, TimerHandle, Timers } from '../ports.js';

/** The machine's clock. */
export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** The event loop's timers. */
export const realTimers: Timers = {
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  // Handles only ever come from the two functions beside these, hence the narrower types are true.
  clearTimeout: (handle: TimerHandle) => clearTimeout(handle as NodeJS.Timeout),
  setImmediate: (callback) => setImmediate(callback),
  clearImmediate: (handle: ImmediateHandle) => clearImmediate(handle as NodeJS.Immediate),
};
