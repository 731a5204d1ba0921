import { build, type Histogram } from 'hdr-histogram-js';

/** Latencies in a histogram of microseconds with three digits: constant memory, however many. */
export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 600_000_000,
    numberOfSignificantValueDigits: 3,
  });

  /** Adds one, in milliseconds. Beyond ten minutes all count as ten minutes. */
  add(latencyMs: number): void {
    this.#histogram.recordValue(Math.min(600_000_000, Math.max(1, Math.round(latencyMs * 1000))));
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** In milliseconds; 0 when there are none. */
  percentile(percent: number): number {
    return this.#histogram.getValueAtPercentile(percent) / 1000;
  }

  /** In milliseconds. */
  get max(): number {
    return this.#histogram.maxValue / 1000;
  }
}
