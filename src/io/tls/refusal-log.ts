import { MAX_REFUSAL_LINES, REFUSAL_LOG_MS } from './limits.js';
import type { RefusalReport } from './port.js';

/**
 * Makes log lines of refused peers: one per address and minute, and not more than `MAX_REFUSAL_LINES` of them, whoever tries how often. What
 * was left out is counted and told with the first line of the next minute.
 */
export class RefusalLog {
  private readonly write: (line: string) => void;
  private readonly nowMs: () => number;
  private readonly told = new Set<string>();
  private windowStartMs = Number.NEGATIVE_INFINITY;
  private omitted = 0;

  /** `nowMs` only goes forward. */
  constructor(write: (line: string) => void, nowMs: () => number) {
    this.write = write;
    this.nowMs = nowMs;
  }

  readonly note: RefusalReport = (remoteAddress, why) => {
    const now = this.nowMs();
    if (now - this.windowStartMs >= REFUSAL_LOG_MS) {
      this.windowStartMs = now;
      this.told.clear();
    }
    if (this.told.has(remoteAddress) || this.told.size >= MAX_REFUSAL_LINES) {
      this.omitted++;
      return;
    }
    this.told.add(remoteAddress);
    const omitted = this.omitted === 0 ? '' : ` (and ${this.omitted} such connections more since the last line)`;
    this.omitted = 0;
    this.write(`Refused a connection from ${remoteAddress}: ${why}${omitted}`);
  };
}
