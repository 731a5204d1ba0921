import { runAmqpSuite } from './amqp/suite.js';
import { runRabbitMqAdmin } from './management/rabbitmqadmin.js';
import { runPatterns } from './patterns/patterns.js';

const [suite, ...rest] = process.argv.slice(2);
const suites: Readonly<Record<string, (args: string[]) => Promise<number>>> = {
  amqp: runAmqpSuite,
  patterns: runPatterns,
  rabbitmqadmin: runRabbitMqAdmin,
};
const run = suites[suite ?? ''];
if (run === undefined) {
  process.stderr.write('Say what to run: npm run conformance -- amqp|patterns|rabbitmqadmin\n');
  process.exitCode = 2;
} else process.exitCode = await run(rest);
