import type { Command } from 'commander';
import type { NodeStatus, ShardStatus } from '../../client/index.js';
import { type NodeSession, nodeAction } from '../connection.js';
import type { CellColumn } from '../output.js';
import { formatBytes, formatCount, formatDuration, formatLatency } from '../quantities.js';
import type { Terminal } from '../terminal.js';

/** `duolog status`: how the node and its shards are. */
export function addStatus(program: Command, terminal: Terminal): void {
  program
    .command('status')
    .summary('how the node and its shards are')
    .description('Print how the node and its shards are.')
    .action(nodeAction(terminal, status));
}

const columns: readonly CellColumn<ShardStatus>[] = [
  { heading: 'SHARD', align: 'right', cell: ({ shard }) => String(shard) },
  { heading: 'CONNECTIONS', align: 'right', cell: ({ connections }) => formatCount(connections) },
  { heading: 'PARTITIONS', align: 'right', cell: ({ partitions }) => formatCount(partitions) },
  { heading: 'MESSAGES IN', align: 'right', cell: ({ messagesIn }) => formatCount(messagesIn) },
  { heading: 'OUT', align: 'right', cell: ({ messagesOut }) => formatCount(messagesOut) },
  {
    heading: 'LOOP LAG P99',
    optional: true,
    align: 'right',
    cell: ({ eventLoopLagP99Ms }) => formatLatency(eventLoopLagP99Ms),
  },
  { heading: 'FSYNC P99', optional: true, align: 'right', cell: ({ fsyncP99Ms }) => formatLatency(fsyncP99Ms) },
  {
    heading: 'FULLEST RING',
    optional: true,
    align: 'right',
    cell: ({ ringOccupancy }) => `${Math.round(ringOccupancy * 100)} %`,
  },
];

async function status({ client, output, interrupted, options }: NodeSession<unknown>): Promise<void> {
  const node = await client.status({ signal: interrupted });
  await output.one(node, () => {
    const fields = output.fieldsText(fieldsOf(node, options.url));
    return `${fields}\n${output.tableText(node.shards, columns)}`;
  });
  for (const warning of node.warnings) output.warn(warning);
}

function fieldsOf(node: NodeStatus, url: string): [string, string][] {
  return [
    ['node', `${node.nodeName} at ${url}`],
    ['version', node.version],
    ['up for', formatDuration(node.uptimeMs)],
    ['engine', node.wsEngine],
    ['memory', formatBytes(node.rssBytes)],
    ['topics', formatCount(node.topics)],
    ['queues', formatCount(node.queues)],
    ['partitions', formatCount(node.partitions)],
    ['connections', connectionsText(node)],
    ['AMQP port', node.amqpPort === undefined ? 'closed' : String(node.amqpPort)],
    ['alarms', node.alarms.length === 0 ? 'none' : `low on ${node.alarms.join(' and ')}`],
  ];
}

function connectionsText({ connections, amqpConnections }: NodeStatus): string {
  return `${formatCount(connections)} (${formatCount(connections - amqpConnections)} native, ${formatCount(amqpConnections)} AMQP)`;
}
