import { SAMPLED_MAX } from './limits.js';

interface Sample {
  readonly values: readonly number[];
  readonly rates: readonly number[];
  /** Number of the round in which it was taken. */
  readonly round: number;
}

/** Changes per second of counters between the last two rounds of samples. What was not in the last round is forgotten. */
export class Rates {
  private samples = new Map<string, Sample>();
  private round = 0;
  private lastMs = 0;
  private intervalMs = 0;

  /** Begins a round. */
  begin(nowMs: number): void {
    this.intervalMs = this.round === 0 ? 0 : nowMs - this.lastMs;
    this.lastMs = nowMs;
    this.round++;
  }

  /** The counters of one thing in this round. */
  take(key: string, values: readonly number[]): void {
    const before = this.samples.get(key);
    if (before === undefined && this.samples.size >= SAMPLED_MAX) return;
    const rates = values.map((value, index) => this.rateOf(value, before?.values[index]));
    this.samples.set(key, { values, rates, round: this.round });
  }

  /** Ends the round. */
  end(): void {
    for (const [key, { round }] of this.samples) if (round !== this.round) this.samples.delete(key);
  }

  /** Forgets everything. */
  clear(): void {
    this.samples = new Map();
    this.round = 0;
  }

  /** Changes per second, in the order of the counters; 0 where there is nothing to compare. */
  of(key: string): (index: number) => number {
    const rates = this.samples.get(key)?.rates;
    return (index) => rates?.[index] ?? 0;
  }

  private rateOf(now: number, before: number | undefined): number {
    if (before === undefined || this.intervalMs <= 0) return 0;
    return Math.round(((now - before) / this.intervalMs) * 100_000) / 100;
  }
}
