import type { Timers } from '../io/ports.js';

/**
 * Gathers the work of one event-loop turn: whoever has something to finish calls `mark`, and the steps run once, in order, after the events that
 * were waiting. One write per log, one commit and one ring flush per turn follow from it.
 */
export class Turn {
  private readonly timers: Timers;
  private readonly steps: (() => void)[] = [];
  private readonly lastSteps: (() => void)[] = [];
  private scheduled = false;
  /** The steps run, and the last ones are still to come. */
  private isBeforeLast = false;
  private readonly run = (): void => {
    // Cleared first: a step that marks the turn again gets another one.
    this.scheduled = false;
    this.isBeforeLast = true;
    for (const step of this.steps) step();
    this.isBeforeLast = false;
    for (const step of this.lastSteps) step();
  };

  constructor(timers: Timers) {
    this.timers = timers;
  }

  /** Adds a step; the order of adding is the order of running. */
  addStep(step: () => void): void {
    this.steps.push(step);
  }

  /**
   * Adds a step that runs behind all others: where sessions write what the turn has given them to say. Returns what asks for it; while the other steps run,
   * that costs no further turn.
   */
  addLastStep(step: () => void): () => void {
    this.lastSteps.push(step);
    return () => {
      if (!this.isBeforeLast) this.mark();
    };
  }

  /** Asks for the steps to run at the end of this turn. */
  mark(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.timers.setImmediate(this.run);
  }

  /** Runs `work` after a while; it does not keep the process alive. */
  after(delayMs: number, work: () => void): void {
    this.timers.setTimeout(work, delayMs).unref();
  }
}
