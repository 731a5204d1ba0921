// Runs one node of dist/ in this process until SIGTERM: the settings come as JSON in the first argument, log lines go to standard output.

import { startNode } from '../../dist/node/index.js';
import { structuredLog } from '../../dist/node/log.js';

const settings = JSON.parse(process.argv[2] ?? '{}');
const node = await startNode(settings, { log: structuredLog('info') });
process.stdout.write(
  `${JSON.stringify({ serving: node.port, amqpPort: node.amqpPort, engine: node.engine.engine })}\n`,
);
process.once('SIGTERM', async () => {
  await node.stop('Told to stop');
  process.exitCode = 0;
});
