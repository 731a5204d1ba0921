// The benchmark's figures as tables and as a chart; confirmed on disk, confirmed in memory, and what nobody confirms are kept apart.
import { GIB, MIB } from '../harness/measures.mjs';
import { number, percent, short, table } from '../harness/tables.mjs';
import { nameOf } from './cases.mjs';

const TITLES = {
  disk: 'Confirmed on disk',
  memory: 'Confirmed in memory',
  none: 'Reading',
};

/** The share of this machine's limit that a result reaches, and of which limit. */
export function shareOf({ group, level, result }, limits) {
  const { bytesPerSecond, nodeMicros, perSecond } = result;
  if (group === 'publish') return [bytesPerSecond / MIB / limits.tcpToFile.mibPerSecond, 'TCP to file'];
  if (group === 'one at a time' && level === 'disk')
    return [perSecond / limits.groupCommit.commitsPerSecond, 'group commits'];
  if (group === 'pull' || group === 'follow' || group === 'push')
    return [bytesPerSecond / MIB / limits.wsFromFile.mibPerSecond, 'pread to WebSocket'];
  if (group === 'broadcast' && limits.fanOut !== undefined)
    return [limits.fanOut.cpuMicrosPerDelivery / nodeMicros, 'fan-out, by CPU'];
  if (group === 'end to end' && limits.relay !== undefined) return [limits.relay.p99Ms / result.p99Ms, 'relay, by p99'];
  return [undefined, '–'];
}

/** The limit's CPU time for a byte as a share of the node's: tells more than the rate where others use the machine as well. */
function cpuShareOf({ group, result }, limits) {
  const limit =
    group === 'publish' ? limits.tcpToFile : ['pull', 'follow', 'push'].includes(group) ? limits.wsFromFile : undefined;
  if (limit === undefined) return undefined;
  const secondsPerGib = (result.nodeMicros * result.perSecond * GIB) / result.bytesPerSecond / 1e6;
  return limit.cpuSecondsPerGib / secondsPerGib;
}

function row(one, limits) {
  const { result } = one;
  const [share, what] = shareOf(one, limits);
  return [
    nameOf(one),
    number(result.perSecond),
    result.bytesPerSecond === undefined ? '–' : number(result.bytesPerSecond / MIB, 1),
    percent(share),
    what,
    percent(cpuShareOf(one, limits)),
    short(result.nodeMicros),
    short(result.clientMicros),
    short(result.p50Ms),
    short(result.p99Ms),
    short(result.p999Ms),
  ];
}

const HEAD = [
  'Case',
  'Messages/s',
  'MiB/s',
  'Share',
  'of limit',
  'by CPU',
  'Node µs/msg',
  'Client µs/msg',
  'p50 ms',
  'p99 ms',
  'p99.9 ms',
];

/** The tables as Markdown. */
export function resultTables(results, limits) {
  return Object.entries(TITLES)
    .map(([level, title]) => [title, results.filter((one) => (one.level ?? 'none') === level)])
    .filter(([, rows]) => rows.length > 0)
    .map(
      ([title, rows]) =>
        `## ${title}\n\n${table(
          HEAD,
          rows.map((one) => row(one, limits)),
        )}`,
    )
    .join('\n\n');
}

const isPublish = (count, valueBytes, level) => (one) =>
  one.group === 'publish' && one.count === count && one.valueBytes === valueBytes && one.level === level;

/** What the project aims at: name, the results that it speaks of, the figure, and the comparison. */
const AIMS = [
  [
    'publish 1 KiB in batches ≥ 50 % of TCP to file',
    isPublish(100, 1024, 'memory'),
    (one, limits) => shareOf(one, limits)[0],
    (share) => share >= 0.5,
    percent,
  ],
  [
    'pull 1 KiB ≥ 60 % of pread to WebSocket',
    (one) => one.group === 'pull' && one.valueBytes === 1024,
    (one, limits) => shareOf(one, limits)[0],
    (share) => share >= 0.6,
    percent,
  ],
  [
    '100 B confirmed on disk ≥ 300,000/s',
    isPublish(100, 100, 'disk'),
    (one) => one.result.perSecond,
    (rate) => rate >= 300_000,
    number,
  ],
  [
    'push with manual ack ≥ 150,000/s',
    (one) => one.group === 'push' && one.valueBytes === 100,
    (one) => one.result.perSecond,
    (rate) => rate >= 150_000,
    number,
  ],
  [
    'end to end 100 B at 10,000/s, p99 < 3 ms',
    (one) => one.group === 'end to end' && one.valueBytes === 100,
    (one) => -one.result.p99Ms,
    (worst) => worst > -3,
    (worst) => `${short(-worst)} ms`,
  ],
];

/** The aims with the best result of each as a Markdown table. */
export function aimTable(results, limits) {
  const rows = AIMS.flatMap(([name, isMeant, figureOf, holds, format]) => {
    const meant = results.filter(isMeant).sort((a, b) => figureOf(b, limits) - figureOf(a, limits));
    if (meant.length === 0) return [];
    const best = figureOf(meant[0], limits);
    const worst = figureOf(meant.at(-1), limits);
    return [[name, format(best), format(worst), nameOf(meant[0]), holds(best) ? 'reached' : 'missed']];
  });
  return rows.length === 0 ? '' : table(['Aim', 'Best', 'Worst', 'Best case', 'Outcome'], rows);
}
