/** Upper bounds of the buckets in seconds: from a fast sync to a disk in trouble. */
const BOUNDS_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** A histogram's figures; `counts[i]` observations were at most `boundsSeconds[i]` and above the bound before, `count` is all of them. */
export interface LatencyFigures {
  readonly boundsSeconds: readonly number[];
  readonly counts: readonly number[];
  readonly count: number;
  readonly sumSeconds: number;
}

/** Counts durations in fixed buckets, as Prometheus wants them. */
export class LatencyHistogram {
  private readonly counts: number[] = BOUNDS_SECONDS.map(() => 0);
  private count = 0;
  private sumSeconds = 0;

  /** Adds one duration in milliseconds. */
  observe(durationMs: number): void {
    const seconds = durationMs / 1000;
    this.count++;
    this.sumSeconds += seconds;
    const bucket = BOUNDS_SECONDS.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) this.counts[bucket]!++;
  }

  /** A copy of the figures so far. */
  figures(): LatencyFigures {
    return { boundsSeconds: BOUNDS_SECONDS, counts: [...this.counts], count: this.count, sumSeconds: this.sumSeconds };
  }

  /** An upper bound of the given part (0 to 1) of all durations, in milliseconds; 0 when there are none. */
  percentileMs(part: number): number {
    const wanted = this.count * part;
    let seen = 0;
    for (const [index, bound] of BOUNDS_SECONDS.entries()) {
      seen += this.counts[index]!;
      if (seen >= wanted && this.count > 0) return bound * 1000;
    }
    return this.count === 0 ? 0 : BOUNDS_SECONDS.at(-1)! * 1000;
  }
}
