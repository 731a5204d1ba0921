/** Queues: list, look, declare, delete, purge. */
import type { TopicEntry } from '../../../broker/ports.js';
import { isStream } from '../../../broker/streams.js';
import { decodeTable, textOf } from '../../../record/amqp/field-table.js';
import { type Call, DONE, type Endpoint, endpoint, endpointWithBody, stored } from '../endpoint.js';
import { badRequest, notFound } from '../errors.js';
import { listScope, requireAccess, requireShared } from '../permissions.js';
import { actionBody, queueBody } from '../schemas.js';
import { tableFromJson } from '../tables.js';
import { askItem, itemAnswer, requireVhost, statisticsList } from './lists.js';

const TAG = 'queues';
const PATH = '/queues/:vhost/:queue';

/** A queue of the path. @throws ManagementError `not-found` */
export function requireQueue(call: Call, part = 'queue'): TopicEntry {
  const vhost = requireVhost(call);
  const queue = call.ports.broker.topic(call.param(part), vhost);
  return queue?.settings.kind === 'queue' ? queue : notFound('queue_not_found');
}

/** What a new queue with a dead letter exchange asks for, as in AMQP. */
function requireDeadLetterAccess(call: Call, vhost: string, name: string, table: Uint8Array): void {
  const exchange = textOf(decodeTable(table).get('x-dead-letter-exchange'));
  if (exchange === undefined) return;
  requireAccess(call, vhost, 'read', 'queue', name);
  requireAccess(call, vhost, 'write', 'exchange', exchange);
}

async function purge(call: Call): Promise<void> {
  const queue = requireQueue(call);
  const vhost = requireVhost(call);
  requireAccess(call, vhost, 'read', 'queue', queue.name);
  requireShared(queue, vhost);
  if (isStream(queue.settings))
    badRequest(`queue.purge not supported by stream queues queue '${queue.name}' in vhost '${vhost}'`);
  await call.ports.broker.purge(queue.name, vhost);
}

const list = (path: string, needs: 'management' | 'vhost', summary: string): Endpoint =>
  statisticsList({ path, tag: TAG, summary, needs }, 'queues', listScope);

/** Operations on queues. */
export const queueEndpoints: readonly Endpoint[] = [
  list('/queues', 'management', 'All queues'),
  list('/queues/detailed', 'management', 'All queues'),
  list('/queues/:vhost', 'vhost', 'Queues of a virtual host'),
  endpoint({
    method: 'GET',
    path: PATH,
    tag: TAG,
    summary: 'A queue',
    needs: 'vhost',
    statuses: [200],
    handle: async (call) => {
      const question = { kind: 'queue', vhost: requireVhost(call), name: call.param('queue') } as const;
      return itemAnswer(call, await askItem(call, question));
    },
  }),
  endpointWithBody({
    method: 'PUT',
    path: PATH,
    tag: TAG,
    summary: 'Declare a queue',
    needs: 'vhost',
    body: queueBody,
    statuses: [201, 204],
    handle: async (call) => {
      const vhost = requireVhost(call);
      const { broker } = call.ports;
      const name = call.param('queue');
      requireAccess(call, vhost, 'configure', 'queue', name);
      const known = broker.topic(name, vhost)?.settings.kind === 'queue';
      const table = tableFromJson(call.body.arguments);
      if (!known) requireDeadLetterAccess(call, vhost, name, table);
      if (call.body.exclusive) badRequest('An exclusive queue belongs to a connection: it cannot be declared here');
      await broker.declare({
        name,
        vhost,
        queue: {
          durable: call.body.durable,
          exclusive: false,
          autoDelete: call.body.auto_delete,
          arguments: table,
          connection: '',
          shard: broker.shard,
        },
        partitions: 0,
        settings: { kind: 'queue' },
        passive: false,
        start: { at: 'end' },
      });
      return stored(!known);
    },
  }),
  endpoint({
    method: 'DELETE',
    path: PATH,
    tag: TAG,
    summary: 'Delete a queue; `if-empty=true` and `if-unused=true` are conditions',
    needs: 'vhost',
    statuses: [204],
    handle: async (call) => {
      const queue = requireQueue(call);
      const vhost = requireVhost(call);
      requireAccess(call, vhost, 'configure', 'queue', queue.name);
      requireShared(queue, vhost);
      const asks = (name: string): boolean => !isStream(queue.settings) && call.query.get(name) === 'true';
      const options = { ifUnused: asks('if-unused'), ifEmpty: asks('if-empty'), connection: '' };
      await call.ports.broker.deleteQueue(vhost, queue.name, options);
      return DONE;
    },
  }),
  endpoint({
    method: 'DELETE',
    path: `${PATH}/contents`,
    tag: TAG,
    summary: 'Purge a queue',
    needs: 'vhost',
    statuses: [204],
    handle: async (call) => {
      await purge(call);
      return DONE;
    },
  }),
  endpointWithBody({
    method: 'POST',
    path: `${PATH}/actions`,
    tag: TAG,
    summary: 'Synchronise mirrors: there are none, so that there is nothing to do',
    needs: 'administrator',
    body: actionBody,
    statuses: [204],
    handle: (call) => {
      requireQueue(call);
      const { action } = call.body;
      if (action !== 'sync' && action !== 'cancel_sync') badRequest(`unknown action: ${action}`);
      return DONE;
    },
  }),
];
