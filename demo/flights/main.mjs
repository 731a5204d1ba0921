// `npm run demo`: 231,083 airline records go into a node and come out twice, by offset and through a queue; all sums must be those of the file.
// Exit code 1 when they differ, 130 after Ctrl-C.
import { loadFlights } from './dataset.mjs';
import { carry } from './journey.mjs';
import { startNode } from './node-process.mjs';
import { progressOn, summary } from './report.mjs';
import { totalsOf } from './totals.mjs';

const consumers = 4;

/** @param {number} sinceMs */
const secondsSince = (sinceMs) => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

/** Aborts at the first Ctrl-C or polite kill; the second one ends the process at once. */
function interruption() {
  const controller = new AbortController();
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort(new Error('Interrupted'));
    });
  }
  return controller.signal;
}

/** @param {AbortSignal} signal */
async function demo(signal) {
  const startedMs = performance.now();
  process.stderr.write('Getting the airline records …\n');
  const { flights, wasFetched } = await loadFlights(signal);
  process.stderr.write(`  ${wasFetched ? 'fetched from npm' : 'from .cache/demo'}, ${secondsSince(startedMs)}\n`);
  const node = await startNode();
  const progress = progressOn(process.stderr, flights.length);
  try {
    process.stderr.write(`A node with two shards serves at ${node.url} (engine ${node.engine})\n`);
    const { begin } = progress;
    const legs = await carry({ url: node.url, queue: 'flights', flights, consumers, begin, signal });
    progress.end();
    const { text, isEqual } = summary(totalsOf(flights), legs);
    process.stdout.write(`\n${text}`);
    return isEqual;
  } finally {
    progress.end();
    await node.stop();
    process.stderr.write(`Stopped and cleaned up, after ${secondsSince(startedMs)} in all\n`);
  }
}

const signal = interruption();
try {
  process.exitCode = (await demo(signal)) ? 0 : 1;
} catch (error) {
  process.stderr.write(
    signal.aborted ? 'Interrupted\n' : `The demo failed: ${error instanceof Error ? error.stack : error}\n`,
  );
  process.exitCode = signal.aborted ? 130 : 1;
}
