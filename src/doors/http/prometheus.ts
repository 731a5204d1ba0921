/**
 * Prometheus' text format, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats). Families are given whole and written
 * once: a scrape is rare, so nothing is kept between two of them.
 */

/** What an answer in this format says about itself. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Labels of one series, by name. */
export type Labels = Readonly<Record<string, string | number>>;

/** One series of a counter or gauge. */
export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

/** One series of a histogram: `counts[i]` observations were at most `bounds[i]` and above the bound before; `count` is all of them. */
export interface HistogramSample {
  readonly labels?: Labels;
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

/** One metric with all its series. */
export type Family =
  | {
      readonly type: 'counter' | 'gauge';
      readonly name: string;
      readonly help: string;
      readonly samples: readonly Sample[];
    }
  | {
      readonly type: 'histogram';
      readonly name: string;
      readonly help: string;
      readonly samples: readonly HistogramSample[];
    };

/** Writes metrics in the text format. Families without series are left out. */
export function encodePrometheus(families: readonly Family[]): string {
  const lines: string[] = [];
  for (const family of families) if (family.samples.length > 0) writeFamily(lines, family);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function writeFamily(lines: string[], family: Family): void {
  lines.push(`# HELP ${family.name} ${escapeHelp(family.help)}`, `# TYPE ${family.name} ${family.type}`);
  if (family.type === 'histogram') {
    for (const sample of family.samples) writeHistogram(lines, family.name, sample);
    return;
  }
  for (const { labels, value } of family.samples) lines.push(series(family.name, labels, value));
}

function writeHistogram(lines: string[], name: string, sample: HistogramSample): void {
  let cumulative = 0;
  for (const [index, bound] of sample.bounds.entries()) {
    cumulative += sample.counts[index] ?? 0;
    lines.push(series(`${name}_bucket`, { ...sample.labels, le: number(bound) }, cumulative));
  }
  lines.push(
    series(`${name}_bucket`, { ...sample.labels, le: '+Inf' }, sample.count),
    series(`${name}_sum`, sample.labels, sample.sum),
    series(`${name}_count`, sample.labels, sample.count),
  );
}

function series(name: string, labels: Labels | undefined, value: number): string {
  const pairs = Object.entries(labels ?? {}).map(([label, text]) => `${label}="${escapeLabel(String(text))}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${number(value)}`;
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
