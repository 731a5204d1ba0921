/** Permissions and topic permissions, by user, by virtual host, and all. */
import type { PermissionEntry, TopicPermissionEntry } from '../../../broker/access/model.js';
import { type Call, DONE, type Endpoint, endpoint, endpointWithBody, stored } from '../endpoint.js';
import { notFound } from '../errors.js';
import type { JsonObject } from '../json.js';
import { permissionBody, topicPermissionBody } from '../schemas.js';
import { itemAnswer, listAnswer, plainShape, requireVhost } from './lists.js';
import { requireUser } from './users.js';

const TAG = 'permissions';
const PATH = '/permissions/:vhost/:user';
const TOPIC_PATH = '/topic-permissions/:vhost/:user';

/** Permissions as the API shows them. */
export function permissionItem({ user, vhost, configure, write, read }: PermissionEntry): JsonObject {
  return { user, vhost, configure, write, read };
}

/** Topic permissions as the API shows them. */
export function topicPermissionItem({ user, vhost, exchange, write, read }: TopicPermissionEntry): JsonObject {
  return { user, vhost, exchange: exchange === '' ? 'amq.default' : exchange, write, read };
}

type Filter = (call: Call) => { readonly user?: string; readonly vhost?: string };

function lists(path: string, filter: Filter, summary: string): readonly Endpoint[] {
  const shared = { method: 'GET', tag: TAG, needs: 'administrator', isList: true, statuses: [200] } as const;
  return [
    endpoint({
      ...shared,
      path: `${path}/permissions`,
      summary: `Permissions ${summary}`,
      handle: (call) => {
        const entries = Array.from(call.ports.view.permissions(filter(call)), permissionItem);
        return listAnswer(call, entries, plainShape(['vhost', 'user']));
      },
    }),
    endpoint({
      ...shared,
      path: `${path}/topic-permissions`,
      summary: `Topic permissions ${summary}`,
      handle: (call) => {
        const entries = Array.from(call.ports.view.topicPermissions(filter(call)), topicPermissionItem);
        return listAnswer(call, entries, plainShape(['vhost', 'user', 'exchange']));
      },
    }),
  ];
}

function requirePermission(call: Call): PermissionEntry {
  return call.ports.view.permission(requireUser(call).name, requireVhost(call)) ?? notFound();
}

function topicPermissionsOf(call: Call): TopicPermissionEntry[] {
  const filter = { user: requireUser(call).name, vhost: requireVhost(call) };
  return [...call.ports.view.topicPermissions(filter)];
}

async function clearTopicPermissions(call: Call, exchange?: string): Promise<void> {
  const mine = topicPermissionsOf(call);
  if (!mine.some((entry) => exchange === undefined || entry.exchange === exchange)) notFound();
  const { user, vhost } = mine[0]!;
  const which = exchange === undefined ? {} : { exchange };
  await call.ports.administer([{ kind: 'clear-topic-permission', user, vhost, ...which }], call.actor);
}

/** Operations on permissions. */
export const permissionEndpoints: readonly Endpoint[] = [
  ...lists('', () => ({}), 'of all users'),
  ...lists('/users/:user', (call) => ({ user: requireUser(call).name }), 'of a user'),
  ...lists('/vhosts/:vhost', (call) => ({ vhost: requireVhost(call) }), 'in a virtual host'),
  endpoint({
    method: 'GET',
    path: PATH,
    tag: TAG,
    summary: 'Permissions of a user in a virtual host',
    needs: 'administrator',
    statuses: [200],
    handle: (call) => itemAnswer(call, permissionItem(requirePermission(call))),
  }),
  endpointWithBody({
    method: 'PUT',
    path: PATH,
    tag: TAG,
    summary: 'Let a user in, and say what for',
    needs: 'administrator',
    body: permissionBody,
    statuses: [201, 204],
    handle: async (call) => {
      const vhost = requireVhost(call);
      const user = call.param('user');
      const request = { kind: 'set-permission', user, vhost, ...call.body } as const;
      const [outcome] = await call.ports.administer([request], call.actor);
      return stored(outcome === 'created');
    },
  }),
  endpoint({
    method: 'DELETE',
    path: PATH,
    tag: TAG,
    summary: 'Shut a user out',
    needs: 'administrator',
    statuses: [204],
    handle: async (call) => {
      const { user, vhost } = requirePermission(call);
      await call.ports.administer([{ kind: 'clear-permission', user, vhost }], call.actor);
      return DONE;
    },
  }),
  endpoint({
    method: 'GET',
    path: TOPIC_PATH,
    tag: TAG,
    summary: 'Topic permissions of a user in a virtual host',
    needs: 'administrator',
    isList: true,
    statuses: [200],
    handle: (call) => {
      const entries = topicPermissionsOf(call);
      if (entries.length === 0) notFound();
      return listAnswer(call, entries.map(topicPermissionItem), plainShape(['vhost', 'user', 'exchange']));
    },
  }),
  endpointWithBody({
    method: 'PUT',
    path: TOPIC_PATH,
    tag: TAG,
    summary: 'Say which routing keys a user may use at an exchange',
    needs: 'administrator',
    body: topicPermissionBody,
    statuses: [201, 204],
    handle: async (call) => {
      const vhost = requireVhost(call);
      const { exchange, write, read } = call.body;
      const user = call.param('user');
      const isNew = ![...call.ports.view.topicPermissions({ user, vhost })].length;
      const named = exchange === 'amq.default' ? '' : exchange;
      const request = { kind: 'set-topic-permission', user, vhost, exchange: named, write, read } as const;
      await call.ports.administer([request], call.actor);
      return stored(isNew);
    },
  }),
  endpoint({
    method: 'DELETE',
    path: TOPIC_PATH,
    tag: TAG,
    summary: 'Clear the topic permissions of a user in a virtual host',
    needs: 'administrator',
    statuses: [204],
    handle: async (call) => {
      await clearTopicPermissions(call);
      return DONE;
    },
  }),
  endpoint({
    method: 'DELETE',
    path: `${TOPIC_PATH}/:exchange`,
    tag: TAG,
    summary: 'Clear the topic permissions of a user at an exchange',
    needs: 'administrator',
    statuses: [204],
    handle: async (call) => {
      await clearTopicPermissions(call, call.param('exchange'));
      return DONE;
    },
  }),
];
