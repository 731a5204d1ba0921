// `npm run diff -- rabbitmq --sequences 10000 [--seed N] [--start N] [--workers N] [--against rabbitmq] [--replay FILE] [--show N] [--max-differences N] [--profiles NAME,NAME]`: bundles the
// differential test, which is TypeScript, and runs it against RabbitMQ and the node in dist/.
import { runBundled } from '../conformance/bundle.mjs';

const isDuolog = !process.argv.some(
  (argument, index) => argument === 'rabbitmq' && process.argv[index - 1] === '--against',
);
process.exitCode = await runBundled('test/diff/main.ts', process.argv.slice(2), isDuolog);
