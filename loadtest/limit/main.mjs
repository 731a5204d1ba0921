// What this machine can do at best with plain Node: the measure that the benchmarks' figures are shares of.
//
//     npm run bench:limit -- [--quick]
import { readFlags } from '../harness/arguments.mjs';
import { limitTime, makeFolder } from '../harness/cleanup.mjs';
import { conditions, loadText } from '../harness/conditions.mjs';
import { limitTable, measureLimits } from './limits-of-machine.mjs';

const flags = readFlags('Usage: npm run bench:limit -- [--quick]', { quick: { type: 'boolean', default: false } });
limitTime(300);
for (const [name, value] of conditions()) console.log(`${name}: ${value}`);
const limits = await measureLimits(makeFolder('limit'), {
  isQuick: flags.quick,
  onStep: (name) => console.error(`… ${name}`),
});
console.log(`\n${limitTable(limits)}\n\nLoad average at end: ${loadText()}`);
