// The comparison as Markdown: one table of figures, one of ratios.
import { number, short, table } from '../harness/tables.mjs';

const both = (ours, theirs, format) => `${format(ours)} / ${format(theirs)}`;
const ratio = (ours, theirs) => (ours === undefined || theirs === undefined ? undefined : ours / theirs);
const times = (value) => (value === undefined || Number.isNaN(value) ? '–' : `${value.toFixed(2)} ×`);
const whole = (value) => number(value);

function figures(results) {
  const head = [
    'Duolog / RabbitMQ',
    'in/s',
    'out/s',
    'CPU µs',
    'consumer p50 ms',
    'p99 ms',
    'confirm p50 ms',
    'p99 ms',
    'B written',
    'RSS MiB',
  ];
  const rows = results.map(({ title, duolog: a, rabbitmq: b }) => [
    title,
    both(a.sentPerSecond, b.sentPerSecond, whole),
    both(a.receivedPerSecond, b.receivedPerSecond, whole),
    both(a.cpuMicros, b.cpuMicros, short),
    both(a.consumer?.p50Ms, b.consumer?.p50Ms, short),
    both(a.consumer?.p99Ms, b.consumer?.p99Ms, short),
    both(a.confirm?.p50Ms, b.confirm?.p50Ms, short),
    both(a.confirm?.p99Ms, b.confirm?.p99Ms, short),
    both(a.writtenPerMessage, b.writtenPerMessage, whole),
    both(a.rssMib, b.rssMib, whole),
  ]);
  return table(head, rows);
}

/** The aims: at least twice the throughput (where no rate is asked for), and no longer p99. */
export function ratios({ duolog: a, rabbitmq: b, rate }) {
  return {
    throughput: rate === undefined ? ratio(a.receivedPerSecond, b.receivedPerSecond) : undefined,
    cpu: ratio(a.cpuMicros, b.cpuMicros),
    consumerP99: ratio(a.consumer?.p99Ms, b.consumer?.p99Ms),
    confirmP99: ratio(a.confirm?.p99Ms, b.confirm?.p99Ms),
  };
}

function ratioTable(results) {
  const head = ['Duolog : RabbitMQ', 'throughput', 'CPU per message', 'consumer p99', 'confirm p99'];
  const rows = results.map((result) => {
    const { throughput, cpu, consumerP99, confirmP99 } = ratios(result);
    return [result.title, times(throughput), times(cpu), times(consumerP99), times(confirmP99)];
  });
  return table(head, rows);
}

/** The whole report. */
export function markdown(results, facts) {
  return [
    '# Duolog beside RabbitMQ',
    'The same PerfTest against both, one after the other, on the machine that PerfTest runs on too. CPU time is that of the broker process, per message received. Bytes written are those that the kernel counts (write_bytes). They were seen far above what a broker passes to its writes, for a reason that is not known, so they are no measure of the disk.',
    table(['Condition', 'Value'], facts),
    '## Ratios\n\nThroughput: more is better, the aim is 2 ×. The others: less is better; the aim is 1 × for p99. Latencies at full speed are those of full windows.',
    ratioTable(results),
    '## Figures',
    figures(results),
    '',
  ].join('\n\n');
}
