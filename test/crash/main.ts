import { runAmqp } from './amqp/command.js';
import { runAmqpPower } from './amqp-power/command.js';
import { runNode } from './node/command.js';
import { runPower } from './power/command.js';

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'power') process.exitCode = await runPower(rest);
else if (mode === 'node') process.exitCode = await runNode(rest, 'dist/cli/main.js');
else if (mode === 'amqp') process.exitCode = await runAmqp(rest, 'dist/cli/main.js');
else if (mode === 'amqp-power') process.exitCode = await runAmqpPower(rest);
else {
  process.stderr.write('Say what is to crash: node, amqp, power or amqp-power\n');
  process.exitCode = 2;
}
