import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatDuration, formatLatency, plural } from './quantities.js';

describe('quantities', () => {
  it('separates thousands', () => {
    expect([formatCount(0), formatCount(1234567.8)]).toEqual(['0', '1,234,568']);
    expect([plural(1, 'message'), plural(2000, 'message')]).toEqual(['1 message', '2,000 messages']);
  });

  it('takes the unit that fits', () => {
    expect([0, 1023, 1024, 1536, 200 * 1024, 5 * 1024 ** 4].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '200 KiB',
      '5.0 TiB',
    ]);
  });

  it('says durations in two units at most', () => {
    expect([-1, 0, 250, 1000, 12_345, 60_000, 61_000, 3_600_000, 273_600_000].map(formatDuration)).toEqual([
      'for ever',
      '0 ms',
      '250 ms',
      '1 s',
      '12.3 s',
      '1m',
      '1m 1s',
      '1h',
      '3d 4h',
    ]);
  });

  it('keeps three digits of a latency, and never an exponent', () => {
    expect([0.05, 0.123, 1.234, 99.96, 999.4, 999.9, 12_345].map(formatLatency)).toEqual([
      '50 µs',
      '0.123 ms',
      '1.23 ms',
      '100 ms',
      '999 ms',
      '1.00 s',
      '12.35 s',
    ]);
  });
});
