/** Virtual hosts. */
import type { VhostMetadata } from '../../../broker/access/model.js';
import type { AccessRequest } from '../../../broker/access/requests.js';
import { type Call, DONE, type Endpoint, endpoint, endpointWithBody, stored } from '../endpoint.js';
import { badRequest } from '../errors.js';
import { enteredVhosts, isMonitor } from '../permissions.js';
import { vhostBody } from '../schemas.js';
import { askItem, itemAnswer, requireVhost, statisticsList } from './lists.js';

const TAG = 'vhosts';
const PATH = '/vhosts/:vhost';
const QUEUE_TYPES = ['classic', 'quorum', 'stream'] as const;

/** What a queue is that is declared without a type; `undefined` as text is what RabbitMQ exports for none. @throws ManagementError */
export function queueTypeOf(text: string | null | undefined): VhostMetadata['defaultQueueType'] {
  if (text === undefined || text === null || text === 'undefined' || text === '') return undefined;
  return QUEUE_TYPES.find((type) => type === text) ?? badRequest(`unknown queue type '${text}'`);
}

/** Metadata of a virtual host from its parts. */
export function metadataOf(
  description: string,
  tags: readonly string[],
  defaultQueueType: VhostMetadata['defaultQueueType'],
): VhostMetadata {
  return { description, tags, ...(defaultQueueType === undefined ? {} : { defaultQueueType }) };
}

/** Whoever makes a virtual host may do everything in it. */
async function putVhost(call: Call, metadata: VhostMetadata): Promise<boolean> {
  const { ports, principal, actor } = call;
  const vhost = call.param('vhost');
  const isNew = !ports.broker.hasVhost(vhost);
  const requests: AccessRequest[] = [{ kind: 'put-vhost', vhost, metadata }];
  if (isNew && ports.view.user(principal.user) !== undefined) {
    const all = { configure: '.*', write: '.*', read: '.*' };
    requests.push({ kind: 'set-permission', user: principal.user, vhost, ...all });
  }
  const [outcome] = await ports.administer(requests, actor);
  return outcome === 'created';
}

/** Operations on virtual hosts. */
export const vhostEndpoints: readonly Endpoint[] = [
  statisticsList(
    { path: '/vhosts', tag: TAG, summary: 'Virtual hosts', needs: 'management' },
    'vhosts',
    ({ ports, principal }) => ({
      vhosts: isMonitor(principal) ? undefined : enteredVhosts(ports, principal),
      user: undefined,
    }),
  ),
  endpoint({
    method: 'GET',
    path: PATH,
    tag: TAG,
    summary: 'A virtual host',
    needs: 'vhost-visible',
    statuses: [200],
    handle: async (call) => itemAnswer(call, await askItem(call, { kind: 'vhost', name: requireVhost(call) })),
  }),
  endpointWithBody({
    method: 'PUT',
    path: PATH,
    tag: TAG,
    summary: 'Make a virtual host, or change what is said of it',
    needs: 'administrator',
    body: vhostBody,
    statuses: [201, 204],
    handle: async (call) => {
      const { description = '', tags = [], default_queue_type: type } = call.body;
      return stored(await putVhost(call, metadataOf(description, tags, queueTypeOf(type))));
    },
  }),
  endpoint({
    method: 'DELETE',
    path: PATH,
    tag: TAG,
    summary: 'Delete a virtual host with all that is in it',
    needs: 'administrator',
    statuses: [204],
    handle: async (call) => {
      await call.ports.administer([{ kind: 'delete-vhost', vhost: requireVhost(call) }], call.actor);
      return DONE;
    },
  }),
  endpoint({
    method: 'POST',
    path: `${PATH}/start/:node`,
    tag: TAG,
    summary: 'Start a virtual host: all of them run as long as the node does',
    needs: 'administrator',
    statuses: [204],
    handle: (call) => {
      requireVhost(call);
      return DONE;
    },
  }),
];
