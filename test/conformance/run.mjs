// `npm run conformance -- amqp [--broker rabbitmq|duolog] [--port N] [--only PATTERN] [--quick] [--without-management] [--verbose]`: RabbitMQ's own client tests.
// `npm run conformance -- patterns [--broker rabbitmq|duolog] [--port N] [--language NAME] [--only PATTERN]`: the programs of examples/amqp.
// `npm run conformance -- rabbitmqadmin [--verbose]`: RabbitMQ's own command line tool for its management API.
import { runBundled } from './bundle.mjs';

const args = process.argv.slice(2);
const isDuolog = !args.some((argument, index) => argument === 'rabbitmq' && args[index - 1] === '--broker');
process.exitCode = await runBundled('test/conformance/main.ts', args, isDuolog && !args.includes('--port'));
