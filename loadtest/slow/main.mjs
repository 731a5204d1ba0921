// Slow consumers, and large messages past a shard that stands still: nobody else may suffer, and memory must not grow.
import { readFlags } from '../harness/arguments.mjs';
import { Checks } from '../harness/checks.mjs';
import { limitTime } from '../harness/cleanup.mjs';
import { conditions, loadText } from '../harness/conditions.mjs';
import { automaticSlowConsumers } from './automatic-slow.mjs';
import { besideSlowConsumers } from './beside-slow.mjs';
import { largeMessagesThroughSmallRings } from './large-messages.mjs';

const SCENARIOS = {
  slow: besideSlowConsumers,
  automatic: automaticSlowConsumers,
  large: largeMessagesThroughSmallRings,
};
const flags = readFlags('Usage: npm run load:slow -- [--only slow|automatic|large]', {
  only: { type: 'string', multiple: true, default: Object.keys(SCENARIOS) },
});

limitTime(420);
for (const [name, value] of conditions()) console.log(`${name}: ${value}`);
const checks = new Checks();
for (const name of flags.only) await SCENARIOS[name](checks);
checks.finish();
console.log(`Load average at end: ${loadText()}`);
