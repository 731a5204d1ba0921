// All limit runs, their medians, and their table.
import { medians } from '../harness/measures.mjs';
import { number, short, table } from '../harness/tables.mjs';
import { measureFanOut } from './fan-out.mjs';
import { measureGroupCommit } from './group-commit.mjs';
import { measureRelay } from './relay.mjs';
import { measureTcpToFile } from './tcp-to-file.mjs';
import { measureWsFromFile } from './ws-from-file.mjs';

const hasUws = () =>
  import('uWebSockets.js').then(
    () => true,
    () => false,
  );

/**
 * Measures the limits and returns medians by name. Where uWebSockets.js does not load, `ws` stands in for it.
 * @param {string} folder for files of up to 512 MiB
 */
export async function measureLimits(folder, { isQuick, onStep = () => {} }) {
  const runs = isQuick ? 3 : 5;
  const engine = (await hasUws()) ? 'uws' : 'ws';
  const limits = { engine };
  const step = async (name, measure) => {
    onStep(`limit: ${name}`);
    limits[name] = medians(await measure());
  };
  await step('tcpToFile', () => measureTcpToFile(folder, { runs }));
  await step('wsFromFile', () => measureWsFromFile(folder, { runs, engine, client: 'raw' }));
  if (!isQuick) {
    await step('wsPackageClient', () => measureWsFromFile(folder, { runs: 3, engine, client: 'ws' }));
    await step('wsPackageServer', () => measureWsFromFile(folder, { runs: 3, engine: 'ws', client: 'raw' }));
    await step('appendCommit', () => measureGroupCommit(folder, { runs: 3, isRecycled: false, isThreaded: true }));
  }
  await step('groupCommit', () => measureGroupCommit(folder, { runs: 3, isRecycled: true, isThreaded: true }));
  if (engine === 'uws') {
    await step('fanOut', () => measureFanOut({ runs: 3, bytes: 128, connections: 1000, perSecond: 50 }));
    await step('relay', () => measureRelay({ runs: 3, bytes: 100, perSecond: 10_000 }));
  }
  return limits;
}

const LINES = {
  tcpToFile: 'loopback TCP appended to a file (plain Node)',
  wsFromFile: 'pread sent by a bare WebSocket server, raw client',
  wsPackageClient: 'the same, client of the ws package',
  wsPackageServer: 'pread sent by a server of the ws package, raw client',
  groupCommit: 'write of 100 B and fdatasync, recycled space',
  appendCommit: 'write of 100 B and fdatasync, growing file',
  fanOut: '128 B to 1,000 connections, 50 a second (bare uWebSockets.js)',
  relay: '100 B from one process to another (bare uWebSockets.js)',
};

function cells({ mibPerSecond, cpuSecondsPerGib, commitsPerSecond, cpuMicrosPerDelivery, p50Ms, p99Ms }) {
  const rate =
    mibPerSecond === undefined ? commitsPerSecond && `${number(commitsPerSecond)}/s` : `${number(mibPerSecond)} MiB/s`;
  const cpu =
    cpuSecondsPerGib === undefined
      ? cpuMicrosPerDelivery && `${short(cpuMicrosPerDelivery)} µs per delivery`
      : `${short(cpuSecondsPerGib)} s per GiB`;
  return [
    rate ?? (cpuMicrosPerDelivery === undefined ? '10,000/s' : '50,000/s'),
    cpu ?? '–',
    short(p50Ms),
    short(p99Ms),
  ];
}

/** The limits as a Markdown table. */
export function limitTable(limits) {
  const rows = Object.entries(LINES)
    .filter(([name]) => limits[name] !== undefined)
    .map(([name, text]) => [text, ...cells(limits[name])]);
  return table(['Limit of this machine', 'Rate', 'Server CPU', 'p50 ms', 'p99 ms'], rows);
}
