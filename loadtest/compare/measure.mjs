// One scenario on one broker: PerfTest's figures beside what /proc says of the broker's process.
import { readFileSync } from 'node:fs';
import { cpuSecondsOf, MIB, rssBytesOf } from '../harness/measures.mjs';
import { runPerfTest } from './perf-test.mjs';

/** Bytes that the process has caused to be written to the disk (proc(5): write_bytes of io). */
function writtenBytesOf(pid) {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1] ?? Number.NaN);
}

/** Both brokers have run for a while when they are measured: what a process pays once, on its first messages, is not what operators see. */
const WARM_UP_SECONDS = 5;
/** Flags of PerfTest whose value names something on the broker. */
const NAMES = new Set(['-u', '-qp', '-e']);

/** The same with other queues and another exchange: what is left in them does not reach those that are measured. */
const elsewhere = (flags) => flags.map((flag, index) => (NAMES.has(flags[index - 1]) ? `warm-${flag}` : flag));

/**
 * Runs a scenario. CPU time and bytes written count from before PerfTest connects until it has ended, and are given per message that was
 * received. CPU time of a broker in µs, memory in MiB after the run.
 */
export async function measure(broker, { flags }, seconds) {
  await runPerfTest(broker.amqpPort, elsewhere(flags), WARM_UP_SECONDS);
  const before = { cpu: cpuSecondsOf(broker.pid), written: writtenBytesOf(broker.pid) };
  const result = await runPerfTest(broker.amqpPort, flags, seconds);
  const messages = result.receivedPerSecond * seconds;
  return {
    ...result,
    cpuMicros: ((cpuSecondsOf(broker.pid) - before.cpu) * 1e6) / messages,
    writtenPerMessage: (writtenBytesOf(broker.pid) - before.written) / messages,
    rssMib: rssBytesOf(broker.pid) / MIB,
  };
}
