// What PerfTest is asked to do, once for each broker. Flags are PerfTest's own.

/** Persistent messages, confirms in windows of 100, acknowledgements one by one with a prefetch of 100. */
const SAFE = ['-ad', 'false', '-f', 'persistent', '-c', '100', '-q', '100'];
/** Transient messages without confirms, automatic acknowledgement. */
const FAST = ['-a'];
const ONE_TO_TEN = ['-t', 'fanout', '-e', 'compare-fanout', '-x', '1', '-y', '10'];
const oneToOne = (name) => ['-u', name];

/** `rate`: messages a second that are asked for; without it, as many as go. */
export const scenarios = [
  {
    name: 'persistent-12b',
    title: 'persistent, confirms and acks, 12 B, 1:1',
    flags: [...SAFE, '-s', '12', ...oneToOne('p12')],
  },
  {
    name: 'persistent-1kb',
    title: 'persistent, confirms and acks, 1 KB, 1:1',
    flags: [...SAFE, '-s', '1000', ...oneToOne('p1k')],
  },
  {
    name: 'transient-12b',
    title: 'transient, automatic ack, 12 B, 1:1',
    flags: [...FAST, '-s', '12', ...oneToOne('t12')],
  },
  {
    name: 'transient-1kb',
    title: 'transient, automatic ack, 1 KB, 1:1',
    flags: [...FAST, '-s', '1000', ...oneToOne('t1k')],
  },
  { name: 'fanout-12b', title: 'transient, 12 B, fanout 1:10', flags: [...FAST, '-s', '12', ...ONE_TO_TEN] },
  {
    name: 'five-queues-1kb',
    title: 'persistent, confirms and acks, 1 KB, 5:5 on 5 queues',
    flags: [...SAFE, '-s', '1000', '-qp', 'five-%d', '-qpf', '1', '-qpt', '5', '-x', '5', '-y', '5'],
  },
  {
    name: 'rate-1kb',
    title: 'persistent, confirms and acks, 1 KB, 1:1, 5,000/s',
    rate: 5000,
    flags: [...SAFE, '-s', '1000', '--rate', '5000', ...oneToOne('r1k')],
  },
];
