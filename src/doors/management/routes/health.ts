/** Health checks: 200 when all is well, 503 with what is not. */

import { BugError } from '../../../base/assert.js';
import { type Answer, type Call, type Endpoint, endpoint, json } from '../endpoint.js';
import { badRequest } from '../errors.js';
import type { JsonObject } from '../json.js';
import { requireAccess } from '../permissions.js';
import type { NodeState } from '../statistics.js';
import { ask, requireVhost } from './lists.js';
import { get, publish } from './messages.js';

const TAG = 'health';
const DAY_MS = 86_400_000;
/** As RabbitMQ counts. */
const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['days', DAY_MS],
  ['weeks', 7 * DAY_MS],
  ['months', 30 * DAY_MS],
  ['years', 365 * DAY_MS],
]);
const PORT_MAX = 65_535;
/** Other names of protocols, as RabbitMQ's tools write them. */
const PROTOCOLS: ReadonlyMap<string, string> = new Map([
  ['amqp091', 'amqp'],
  ['amqp0.9.1', 'amqp'],
  ['amqp0-9-1', 'amqp'],
  ['amqps', 'amqp/ssl'],
  ['amqp+ssl', 'amqp/ssl'],
]);
const ALIVENESS_QUEUE = 'aliveness-test';

const good = (more: JsonObject = {}): Answer => json({ status: 'ok', ...more });
const bad = (reason: string, more: JsonObject): Answer => ({
  status: 503,
  json: { status: 'failed', reason, ...more },
});

async function state(call: Call): Promise<NodeState> {
  const answer = await ask(call, { kind: 'state' });
  if (answer.kind !== 'state') throw new BugError('The state of the node was asked for');
  return answer.state;
}

async function alarms(call: Call, where: string): Promise<Answer> {
  const { node } = call.ports;
  const { alarms: active } = await state(call);
  if (active.length === 0) return good();
  return bad(`There are alarms in effect ${where}`, {
    alarms: active.map((resource) => ({ node: node.name, resource })),
  });
}

async function portListener(call: Call): Promise<Answer> {
  const port = Number(call.param('port'));
  if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) badRequest('Invalid port');
  const ports = (await state(call)).listeners.map((listener) => listener.port);
  return ports.includes(port) ? good({ port }) : bad('No active listener', { missing: port, ports });
}

async function protocolListener(call: Call): Promise<Answer> {
  const given = call.param('protocol').toLowerCase();
  const protocol = PROTOCOLS.get(given) ?? given;
  const protocols = [...new Set((await state(call)).listeners.map((listener) => listener.protocol))];
  return protocols.includes(protocol)
    ? good({ protocol: given })
    : bad('No active listener', { missing: given, protocols });
}

async function certificates(call: Call): Promise<Answer> {
  const unit = UNITS_MS.get(call.param('unit').toLowerCase());
  const within = Number(call.param('within'));
  if (unit === undefined) {
    return badRequest('Time unit not recognised. Supported units: days, weeks, months, years.');
  }
  if (!Number.isSafeInteger(within)) return badRequest('Invalid expiration value.');
  const deadline = Date.now() + within * unit;
  const expiring = (await state(call)).certificates.filter(({ expiresMs }) => expiresMs < deadline);
  if (expiring.length === 0) return good();
  const expired = expiring.map(({ file, expiresMs }) => ({
    node: call.ports.node.name,
    certfile: file,
    certfile_expires_on: [new Date(expiresMs).toISOString()],
  }));
  return bad('Certificates expiring', { expired });
}

/** Publishes to a queue of its own and gets the message back. */
async function aliveness(call: Call): Promise<Answer> {
  const vhost = requireVhost(call);
  const { broker } = call.ports;
  requireAccess(call, vhost, 'configure', 'queue', ALIVENESS_QUEUE);
  requireAccess(call, vhost, 'write', 'exchange', '');
  requireAccess(call, vhost, 'read', 'queue', ALIVENESS_QUEUE);
  const none = new Uint8Array(0);
  const queue = await broker.declare({
    name: ALIVENESS_QUEUE,
    vhost,
    queue: {
      durable: false,
      exclusive: false,
      autoDelete: false,
      arguments: none,
      connection: '',
      shard: broker.shard,
    },
    partitions: 0,
    settings: { kind: 'queue' },
    passive: false,
    start: { at: 'end' },
  });
  const body = Buffer.from('test_message');
  await publish(call, { vhost, exchange: '', routingKey: ALIVENESS_QUEUE, properties: new Uint8Array(2), body });
  const options = { queue, count: 1, automaticAck: true, encoding: 'auto', truncate: undefined };
  const [message] = await get(call, options, 'automatic');
  return message === undefined ? bad('No message came back', {}) : good();
}

function check(path: string, summary: string, handle: (call: Call) => Answer | Promise<Answer>): Endpoint {
  return endpoint({
    method: 'GET',
    path: `/health/checks/${path}`,
    tag: TAG,
    summary,
    needs: 'management',
    statuses: [200, 503],
    handle,
  });
}

const alone = (): Answer => good({ reason: 'single node cluster' });

/** Operations on health checks. */
export const healthEndpoints: readonly Endpoint[] = [
  check('alarms', 'No alarm holds publishers back', (call) => alarms(call, 'in the cluster')),
  check('local-alarms', 'No alarm of this node holds publishers back', (call) => alarms(call, 'on the node')),
  check('certificate-expiration/:within/:unit', 'No certificate ends within a time', certificates),
  check('port-listener/:port', 'A port is listened on', portListener),
  check('protocol-listener/:protocol', 'A protocol is listened for', protocolListener),
  check('virtual-hosts', 'All virtual hosts run', () => good()),
  check('node-is-mirror-sync-critical', 'No mirror needs this node', alone),
  check('node-is-quorum-critical', 'No quorum needs this node', alone),
  check('is-in-service', 'The node is not in maintenance', () => good()),
  check('ready-to-serve-clients', 'Doors are open and the node is not in maintenance', () => good()),
  endpoint({
    method: 'GET',
    path: '/healthchecks/node',
    tag: TAG,
    summary: 'The node answers',
    needs: 'management',
    statuses: [200],
    handle: () => good(),
  }),
  endpoint({
    method: 'GET',
    path: '/healthchecks/node/:node',
    tag: TAG,
    summary: 'The node answers',
    needs: 'management',
    statuses: [200],
    handle: () => good(),
  }),
  endpoint({
    method: 'GET',
    path: '/aliveness-test/:vhost',
    tag: TAG,
    summary: 'A message is published and got back, in the queue `aliveness-test`',
    needs: 'vhost',
    statuses: [200, 503],
    handle: aliveness,
  }),
];
