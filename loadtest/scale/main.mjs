// Many of everything: queues, bindings, connections, delayed messages, messages with priorities. `npm run scale`, `-- --help`.
import { readFlags } from '../harness/arguments.mjs';
import { Checks } from '../harness/checks.mjs';
import { limitTime } from '../harness/cleanup.mjs';
import { conditions, loadText } from '../harness/conditions.mjs';
import { bindings } from './bindings.mjs';
import { connections } from './connections.mjs';
import { delayed } from './delayed.mjs';
import { priorities } from './priorities.mjs';
import { queues } from './queues.mjs';

const rows = { delayed, bindings, queues, connections, priorities };
const USAGE = `Usage: npm run scale -- [--rows ${Object.keys(rows).join(',')}] [--shards 2]
         [--delayed 1000000] [--bindings 100000] [--queues 10000] [--connections 2000] [--messages 10000000] [--sample 50000]`;
const TIME_LIMIT_SECONDS = 3600;

const flags = readFlags(USAGE, {
  rows: { type: 'string', default: Object.keys(rows).join(',') },
  shards: { type: 'string', default: '2' },
  delayed: { type: 'string', default: '1000000' },
  bindings: { type: 'string', default: '100000' },
  queues: { type: 'string', default: '10000' },
  connections: { type: 'string', default: '2000' },
  messages: { type: 'string', default: '10000000' },
  // Messages of one round of a comparison.
  sample: { type: 'string', default: '50000' },
});
const { rows: chosen, ...counts } = flags;
const options = Object.fromEntries(Object.entries(counts).map(([name, value]) => [name, Number(value)]));
const names = chosen.split(',');
const unknown = names.filter((name) => !Object.hasOwn(rows, name));
if (unknown.length > 0) {
  console.error(`There is no row ${unknown.join(', ')}\n\n${USAGE}`);
  process.exit(2);
}
limitTime(TIME_LIMIT_SECONDS);
for (const [name, value] of conditions()) console.log(`${name}: ${value}`);
const checks = new Checks();
for (const name of names) {
  try {
    await rows[name](checks, options);
  } catch (error) {
    checks.add(name, error instanceof Error ? error.message : String(error), 'runs to its end', false);
  }
}
checks.finish();
console.log(`Load average at end: ${loadText()}`);
process.exit();
