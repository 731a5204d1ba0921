/** The node as a whole: overview, its name, who asks, and what RabbitMQ's tools look for that a single node of this kind has none of. */
import { type Answer, type Call, DONE, type Endpoint, endpoint, endpointWithBody, json } from '../endpoint.js';
import { notFound } from '../errors.js';
import type { JsonObject } from '../json.js';
import { enteredVhosts, isMonitor } from '../permissions.js';
import { clusterNameBody, memoryLimitBody } from '../schemas.js';
import { ask, askItem, itemAnswer, listAnswer, plainShape } from './lists.js';

const TAG = 'node';
const CLUSTER_NAME = 'cluster_name';

/** What operators call the cluster: a global parameter, or else the node's name. */
function clusterName({ ports }: Call): string {
  const value = ports.view.parameter(undefined, '', CLUSTER_NAME)?.value;
  return typeof value === 'string' ? value : ports.node.name;
}

async function nodeItem(call: Call): Promise<JsonObject> {
  if (call.param('node') !== call.ports.node.name) return notFound();
  return askItem(call, { kind: 'node' });
}

async function overview(call: Call): Promise<Answer> {
  const { ports, principal } = call;
  const isOpen = isMonitor(principal);
  const scope = isOpen
    ? { vhosts: undefined, user: undefined }
    : { vhosts: enteredVhosts(ports, principal), user: principal.user };
  const item = await askItem(call, { kind: 'overview', scope });
  const stats = call.query.get('disable_stats') === 'true' ? withoutStatistics(item) : item;
  return itemAnswer(call, { ...stats, cluster_name: clusterName(call) });
}

const STATISTICS = ['message_stats', 'churn_rates', 'queue_totals', 'object_totals', 'statistics_db_event_queue'];

function withoutStatistics(item: JsonObject): JsonObject {
  const left = Object.entries(item).filter(([name]) => !STATISTICS.includes(name));
  return { ...Object.fromEntries(left), disable_stats: true };
}

/** A path that answers with nothing to list. */
function emptyList(path: string, summary: string, needs: Endpoint['needs']): Endpoint {
  return endpoint({ method: 'GET', path, tag: TAG, summary, needs, statuses: [200], handle: () => json([]) });
}

/** Something that this node has nothing to do for. */
function nothingToDo(method: 'POST' | 'DELETE', path: string, summary: string): Endpoint {
  return endpoint({ method, path, tag: TAG, summary, needs: 'administrator', statuses: [204], handle: () => DONE });
}

/** Operations on the node. */
export const nodeEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/overview',
    tag: TAG,
    summary: 'Versions, totals, rates, listeners',
    needs: 'management',
    statuses: [200],
    handle: overview,
  }),
  endpoint({
    method: 'GET',
    path: '/cluster-name',
    tag: TAG,
    summary: 'The name of the cluster',
    needs: 'management',
    statuses: [200],
    handle: (call) => json({ name: clusterName(call) }),
  }),
  endpointWithBody({
    method: 'PUT',
    path: '/cluster-name',
    tag: TAG,
    summary: 'Name the cluster',
    needs: 'administrator',
    body: clusterNameBody,
    statuses: [204],
    handle: async (call) => {
      const request = { kind: 'set-parameter', component: '', name: CLUSTER_NAME, value: call.body.name } as const;
      await call.ports.administer([request], call.actor);
      return DONE;
    },
  }),
  endpoint({
    method: 'GET',
    path: '/nodes',
    tag: TAG,
    summary: 'The nodes of the cluster',
    needs: 'monitoring',
    isList: true,
    statuses: [200],
    handle: async (call) => listAnswer(call, [await askItem(call, { kind: 'node' })], plainShape(['name'])),
  }),
  endpoint({
    method: 'GET',
    path: '/nodes/:node',
    tag: TAG,
    summary: 'A node',
    needs: 'monitoring',
    statuses: [200],
    handle: async (call) => itemAnswer(call, await nodeItem(call)),
  }),
  endpoint({
    method: 'GET',
    path: '/nodes/:node/memory',
    tag: TAG,
    summary: 'What the memory of a node is used for',
    needs: 'monitoring',
    statuses: [200],
    handle: async (call) => {
      const { mem_used: used = 0 } = await nodeItem(call);
      return json({ memory: { strategy: 'rss', total: { rss: used, allocated: used, erlang: used } } });
    },
  }),
  endpointWithBody({
    method: 'PUT',
    path: '/nodes/:node/memory-limit',
    tag: TAG,
    summary:
      'Resident memory above which publishers are held back, until the next start; 0 = the default. Not an operation of RabbitMQ',
    needs: 'administrator',
    body: memoryLimitBody,
    statuses: [204],
    handle: async (call) => {
      await nodeItem(call);
      await ask(call, { kind: 'set-memory-limit', bytes: call.body.bytes });
      return DONE;
    },
  }),
  endpoint({
    method: 'GET',
    path: '/whoami',
    tag: TAG,
    summary: 'The user who asks',
    needs: 'management',
    statuses: [200],
    handle: ({ principal }) =>
      json({ name: principal.user, tags: [...principal.tags], is_internal_user: principal.kind !== 'token' }),
  }),
  endpoint({
    method: 'GET',
    path: '/auth',
    tag: TAG,
    summary: 'How web pages let people log in',
    needs: 'nobody',
    statuses: [200],
    handle: () => json({ oauth_enabled: false }),
  }),
  emptyList('/extensions', 'Extensions of the management API', 'management'),
  emptyList('/feature-flags', 'Feature flags', 'administrator'),
  emptyList('/deprecated-features', 'Deprecated features', 'administrator'),
  emptyList('/deprecated-features/used', 'Deprecated features in use', 'administrator'),
  emptyList('/auth/attempts/:node', 'Logins by protocol: these are in the metrics', 'monitoring'),
  emptyList('/auth/attempts/:node/source', 'Logins by address: these are in the audit log', 'monitoring'),
  nothingToDo('POST', '/rebalance/queues', 'Spread leaders over nodes: there is one'),
  nothingToDo('DELETE', '/reset', 'Forget statistics: none are kept that could be forgotten'),
  nothingToDo('DELETE', '/reset/:node', 'Forget statistics: none are kept that could be forgotten'),
];
