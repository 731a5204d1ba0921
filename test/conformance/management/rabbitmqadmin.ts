import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { newFolder } from '../broker/processes.js';
import { startBroker } from '../broker/start.js';
import { command, hasTool } from '../command.js';

/** Where Debian's package puts RabbitMQ. */
const ROOT = '/usr/lib/rabbitmq/lib';
const STEP_MS = 30_000;

/** A call of the tool, and what its output must hold. */
type Step = readonly [call: readonly string[], expected: RegExp];

/** What the tool can do, from declaring to deleting; `FILE` stands for a file of definitions. */
const STEPS: readonly Step[] = [
  [['show', 'overview'], /rabbitmq_version[\s\S]*3\.13/],
  [['list', 'nodes'], /duolog-1/],
  [['declare', 'vhost', 'name=tools'], /vhost declared/],
  [['declare', 'user', 'name=tess', 'password=secret', 'tags=monitoring'], /user declared/],
  [['declare', 'permission', 'vhost=tools', 'user=tess', 'configure=.*', 'write=.*', 'read=.*'], /permission declared/],
  [['list', 'users'], /tess[\s\S]*monitoring/],
  [['list', 'permissions'], /tess/],
  [['list', 'vhosts', 'name', 'messages'], /tools/],
  [['declare', 'queue', 'name=jobs', 'durable=true', 'arguments={"x-max-length":10}'], /queue declared/],
  [['declare', 'queue', 'name=safe', 'queue_type=quorum'], /queue declared/],
  [['declare', 'exchange', 'name=events', 'type=topic', 'durable=true'], /exchange declared/],
  [['declare', 'binding', 'source=events', 'destination=jobs', 'routing_key=a.#'], /binding declared/],
  [['list', 'bindings', 'source', 'destination', 'routing_key'], /events[\s\S]*jobs[\s\S]*a\.#/],
  [['list', 'queues', 'name', 'type', 'durable'], /jobs[\s\S]*classic[\s\S]*safe[\s\S]*quorum/],
  [['list', 'exchanges', 'name', 'type'], /events\s*\|\s*topic/],
  [
    ['publish', 'exchange=events', 'routing_key=a.b', 'payload=hello', 'properties={"delivery_mode":2}'],
    /Message published$/m,
  ],
  [['publish', 'exchange=events', 'routing_key=nobody', 'payload=hello'], /NOT routed/],
  [['get', 'queue=jobs', 'count=5', 'ackmode=ack_requeue_true'], /hello[\s\S]*False/],
  [['get', 'queue=jobs', 'count=5', 'ackmode=ack_requeue_false'], /hello[\s\S]*True/],
  [['get', 'queue=jobs'], /No items/],
  [['publish', 'routing_key=jobs', 'payload=more'], /Message published/],
  [['purge', 'queue', 'name=jobs'], /queue purged/],
  [
    [
      'declare',
      'policy',
      'name=short',
      'pattern=^jobs$',
      'definition={"max-length":5}',
      'priority=1',
      'apply-to=queues',
    ],
    /policy declared/,
  ],
  [['list', 'policies'], /short/],
  [
    ['declare', 'operator_policy', 'name=cap', 'pattern=.*', 'definition={"max-length":4}', 'apply-to=queues'],
    /declared/,
  ],
  [['list', 'operator_policies'], /cap/],
  [['declare', 'vhost_limit', 'vhost=tools', 'name=max-queues', 'value=5'], /vhost_limit declared/],
  [['list', 'vhost_limits'], /max-queues/],
  [['declare', 'parameter', 'component=test', 'name=one', 'value={"a":1}'], /parameter declared/],
  [['list', 'parameters'], /test/],
  [['list', 'connections'], /No items/],
  [['list', 'channels'], /No items/],
  [['list', 'consumers'], /No items/],
  [['export', 'FILE'], /Exported definitions/],
  [['delete', 'parameter', 'component=test', 'name=one'], /parameter deleted/],
  [['delete', 'vhost_limit', 'vhost=tools', 'name=max-queues'], /vhost_limit deleted/],
  [['delete', 'operator_policy', 'name=cap'], /operator_policy deleted/],
  [['delete', 'policy', 'name=short'], /policy deleted/],
  [
    ['delete', 'binding', 'source=events', 'destination_type=queue', 'destination=jobs', 'properties_key=a.%23'],
    /deleted/,
  ],
  [['delete', 'exchange', 'name=events'], /exchange deleted/],
  [['delete', 'queue', 'name=jobs'], /queue deleted/],
  [['delete', 'queue', 'name=safe'], /queue deleted/],
  [['delete', 'permission', 'vhost=tools', 'user=tess'], /permission deleted/],
  [['delete', 'user', 'name=tess'], /user deleted/],
  [['delete', 'vhost', 'name=tools'], /vhost deleted/],
  [['import', 'FILE'], /Uploaded definitions/],
  [['export', 'FILE.again'], /Exported definitions/],
];

/**
 * `conformance rabbitmqadmin`: RabbitMQ's own command line tool against a running node.
 * @returns the exit code: 0 if every call does what it should, and definitions come back as they were exported.
 */
export async function runRabbitMqAdmin(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { verbose: { type: 'boolean', default: false } } });
  const script = findScript();
  if (script === undefined || !hasTool('python3')) {
    throw new Error('Cannot run rabbitmqadmin: apt-get install -y --no-install-recommends rabbitmq-server python3');
  }
  const broker = await startBroker('duolog');
  try {
    const file = join(await newFolder('definitions'), 'definitions.json');
    let failures = 0;
    for (const [call, expected] of STEPS) {
      const named = call.map((word) => word.replace('FILE', file));
      const port = String(broker.webPort);
      const { code, output } = await command('python3', [script, '-H', broker.host, '-P', port, ...named], {
        timeoutMs: STEP_MS,
      });
      const isGood = code === 0 && expected.test(output);
      if (!isGood) failures++;
      if (!isGood || values.verbose) console.log(`${isGood ? 'ok  ' : 'FAIL'} ${call.join(' ')}\n${output}`);
    }
    const isLossless = sorted(file) === sorted(`${file}.again`);
    if (!isLossless) console.log('FAIL what was exported is not what was exported again after it was imported');
    console.log(`${STEPS.length - failures} of ${STEPS.length} calls of rabbitmqadmin do what they should`);
    return failures === 0 && isLossless && broker.complaints().length === 0 ? 0 : 1;
  } finally {
    await broker.stop();
  }
}

/** The tool is part of the management plugin. */
function findScript(): string | undefined {
  try {
    const server = readdirSync(ROOT).find((name) => name.startsWith('rabbitmq_server-')) ?? '';
    const plugins = join(ROOT, server, 'plugins');
    const plugin = readdirSync(plugins).find((name) => /^rabbitmq_management-[\d.]+$/.test(name));
    return plugin === undefined ? undefined : join(plugins, plugin, 'priv/www/cli/rabbitmqadmin');
  } catch {
    return undefined;
  }
}

/** Definitions as text in which order does not matter. */
function sorted(file: string): string {
  const definitions = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  const lists = Object.values(definitions).filter((value) => Array.isArray(value));
  return lists
    .map((items) =>
      items
        .map((item) => JSON.stringify(item))
        .sort()
        .join('\n'),
    )
    .join('\n\n');
}
