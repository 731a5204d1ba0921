// What a reader needs to know to compare figures: machine, software, and who else was busy.
import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, loadavg, release, totalmem } from 'node:os';
import { dataRoot } from './cleanup.mjs';
import { GIB } from './measures.mjs';

const root = new URL('../../', import.meta.url);
const FILE_SYSTEMS = {
  61267: 'ext2/3/4',
  1481003842: 'XFS',
  2435016766: 'Btrfs',
  16914836: 'tmpfs',
  2035054128: 'overlay',
};

function revision() {
  try {
    const git = (...words) =>
      execFileSync('git', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const isChanged = git('status', '--porcelain', '--untracked-files=no').trim() !== '';
    return git('rev-parse', '--short', 'HEAD').trim() + (isChanged ? ' with changes' : '');
  } catch {
    return 'unknown';
  }
}

function processorModel() {
  return /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor';
}

/** The load averages over 1, 5 and 15 minutes as text: how busy the machine was besides. */
export const loadText = () =>
  loadavg()
    .map((load) => load.toFixed(1))
    .join(', ');

/** Pairs of a condition's name and its value. `engine` is the node's WebSocket engine. */
export function conditions(engine) {
  return [
    ['Date', `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`],
    ['Revision', revision()],
    ['Processor', `${processorModel()}, ${availableParallelism()} cores`],
    ['Memory', `${Math.round(totalmem() / GIB)} GiB`],
    ['Kernel', `Linux ${release()}`],
    ['File system', FILE_SYSTEMS[statfsSync(dataRoot).type] ?? 'another'],
    ['Node', process.version],
    ...(engine === undefined ? [] : [['WebSocket engine', engine]]),
    ['Load average at start', loadText()],
  ];
}
