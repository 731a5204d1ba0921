/** Numbers, sizes and times as people read them. Programs get plain numbers, by `-o json`. */

/** A count with thousands separators. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** Bytes in the largest unit that leaves a number above one: `3.4 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** A duration in its two largest units: `3d 4h`, `12.3 s`, `250 ms`. -1 is for ever. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 0) return 'for ever';
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${trimZero((durationMs / 1000).toFixed(1))} s`;
  const minutes = Math.floor(durationMs / 60_000);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(minutes / 1440), 'd'],
    [Math.floor(minutes / 60) % 24, 'h'],
    [minutes % 60, 'm'],
    [Math.floor(durationMs / 1000) % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}

/** A latency: three digits, in the unit that suits. */
export function formatLatency(latencyMs: number): string {
  if (latencyMs < 0.1) return `${(latencyMs * 1000).toFixed(0)} µs`;
  if (latencyMs < 999.5) return `${latencyMs.toPrecision(3)} ms`;
  return `${(latencyMs / 1000).toFixed(2)} s`;
}

/** `1 message`, `2 messages`; `nouns` is for what does not just take an s. */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : nouns}`;
}

function trimZero(text: string): string {
  return text.endsWith('.0') ? text.slice(0, -2) : text;
}
