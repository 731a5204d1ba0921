// One scenario on one broker: PerfTest's figures beside what /proc says of the broker's process.
import { readFileSync } from 'node:fs';
import { cpuSecondsOf, MIB, rssBytesOf } from '../harness/measures.mjs';
import { runPerfTest } from './perf-test.mjs';

/** Bytes that the process has caused to be written to the disk (proc(5): write_bytes of io). */
function writtenBytesOf(pid) {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1] ?? Number.NaN);
}

/**
 * Runs a scenario. CPU time and bytes written count from before PerfTest connects until it has ended, and are given per message that was
 * received. CPU time of a broker in µs, memory in MiB after the run.
 */
export async function measure(broker, { flags }, seconds) {
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
