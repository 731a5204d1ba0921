/** Connections, their channels, and consumers. */
import { type Call, DONE, type Endpoint, endpoint } from '../endpoint.js';
import type { JsonObject } from '../json.js';
import { authorizeOwner, listScope, ownScope } from '../permissions.js';
import { ask, askItem, itemAnswer, listFrom, requireVhost, statisticsList } from './lists.js';

const TAG = 'connections';
const REASON_MAX_CHARACTERS = 200;
const DEFAULT_REASON = 'Closed via management plugin';

/** The connection of the path, which the user may see, or end. */
async function requireConnection(call: Call, isChange: boolean): Promise<JsonObject> {
  const item = await askItem(call, { kind: 'connection', name: call.param('connection') });
  authorizeOwner(call, String(item['user'] ?? ''), isChange);
  return item;
}

function reasonOf(call: Call): string {
  const given = call.header('x-reason').slice(0, REASON_MAX_CHARACTERS);
  return given === '' ? DEFAULT_REASON : given;
}

async function close(call: Call, name: string): Promise<void> {
  await ask(call, { kind: 'close-connection', name, reason: reasonOf(call) });
}

/** Operations on connections, channels and consumers. */
export const connectionEndpoints: readonly Endpoint[] = [
  statisticsList(
    { path: '/connections', tag: TAG, summary: 'Open connections on all doors', needs: 'management' },
    'connections',
    ownScope,
  ),
  statisticsList(
    { path: '/vhosts/:vhost/connections', tag: TAG, summary: 'Connections to a virtual host', needs: 'vhost-visible' },
    'connections',
    ownScope,
  ),
  statisticsList(
    { path: '/connections/username/:username', tag: TAG, summary: 'Connections of a user', needs: 'administrator' },
    'connections',
    (call) => ({ vhosts: undefined, user: call.param('username') }),
  ),
  endpoint({
    method: 'DELETE',
    path: '/connections/username/:username',
    tag: TAG,
    summary: 'Close all connections of a user',
    needs: 'administrator',
    statuses: [204],
    handle: async (call) => {
      const user = call.param('username');
      const reason = reasonOf(call);
      await ask(call, { kind: 'close-connections-of', user, reason });
      return DONE;
    },
  }),
  endpoint({
    method: 'GET',
    path: '/connections/:connection',
    tag: TAG,
    summary: 'A connection',
    needs: 'owner',
    statuses: [200],
    handle: async (call) => itemAnswer(call, await requireConnection(call, false)),
  }),
  endpoint({
    method: 'DELETE',
    path: '/connections/:connection',
    tag: TAG,
    summary: 'Close a connection; the header `X-Reason` is told to the client',
    needs: 'owner',
    statuses: [204],
    handle: async (call) => {
      const item = await requireConnection(call, true);
      await close(call, String(item['name']));
      return DONE;
    },
  }),
  endpoint({
    method: 'GET',
    path: '/connections/:connection/channels',
    tag: TAG,
    summary: 'Channels of a connection',
    needs: 'owner',
    isList: true,
    statuses: [200],
    handle: async (call) => {
      const item = await requireConnection(call, false);
      return listFrom(call, 'channels', { vhosts: undefined, user: undefined }, String(item['name']));
    },
  }),
  statisticsList({ path: '/channels', tag: TAG, summary: 'Open channels', needs: 'management' }, 'channels', ownScope),
  statisticsList(
    { path: '/vhosts/:vhost/channels', tag: TAG, summary: 'Channels in a virtual host', needs: 'vhost-visible' },
    'channels',
    ownScope,
  ),
  endpoint({
    method: 'GET',
    path: '/channels/:channel',
    tag: TAG,
    summary: 'A channel',
    needs: 'owner',
    statuses: [200],
    handle: async (call) => {
      const item = await askItem(call, { kind: 'channel', name: call.param('channel') });
      authorizeOwner(call, String(item['user'] ?? ''), false);
      return itemAnswer(call, item);
    },
  }),
  statisticsList({ path: '/consumers', tag: TAG, summary: 'Consumers', needs: 'management' }, 'consumers', listScope),
  statisticsList(
    { path: '/consumers/:vhost', tag: TAG, summary: 'Consumers in a virtual host', needs: 'vhost' },
    'consumers',
    (call) => {
      requireVhost(call);
      return listScope(call);
    },
  ),
];
