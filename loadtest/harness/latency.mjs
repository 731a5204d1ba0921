// Latencies in milliseconds, kept in an HDR histogram of microseconds.
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64 } from 'hdr-histogram-js';

const options = {
  lowestDiscernibleValue: 1,
  highestTrackableValue: 600_000_000,
  numberOfSignificantValueDigits: 3,
  useWebAssembly: false,
};

/** Collects latencies. */
export class Latency {
  #histogram = build(options);

  record(milliseconds) {
    this.#histogram.recordValue(Math.min(600_000_000, Math.max(1, Math.round(milliseconds * 1000))));
  }

  get count() {
    return this.#histogram.totalCount;
  }

  reset() {
    this.#histogram.reset();
  }

  /** Text that `summaryOf` reads: for another process. */
  encode() {
    return encodeIntoCompressedBase64(this.#histogram);
  }

  summary() {
    return summarize(this.#histogram);
  }
}

function summarize(histogram) {
  const at = (percentile) => histogram.getValueAtPercentile(percentile) / 1000;
  return { p50Ms: at(50), p99Ms: at(99), p999Ms: at(99.9), maxMs: histogram.maxValue / 1000 };
}

/** The percentiles of several encoded histograms together. */
export function summaryOf(encoded) {
  const whole = build(options);
  for (const text of encoded) whole.add(decodeFromCompressedBase64(text));
  return summarize(whole);
}
