/** Bindings: lists by all their ends, make, look, remove. */
import type { Binding } from '../../../broker/model.js';
import { bindingOf, propertiesKey } from '../binding-keys.js';
import { type Answer, type Call, DONE, type Endpoint, endpoint, endpointWithBody } from '../endpoint.js';
import { ManagementError, notFound } from '../errors.js';
import type { JsonObject } from '../json.js';
import { listScope, requireAccess, requireShared, requireTopicAccess, vhostNames } from '../permissions.js';
import { bindingBody } from '../schemas.js';
import { tableFromJson, tableToJson } from '../tables.js';
import { requireExchange } from './exchanges.js';
import { checkListVhost, itemAnswer, listAnswer, requireVhost } from './lists.js';
import { requireQueue } from './queues.js';

const TAG = 'bindings';
const PAIR = '/bindings/:vhost/e/:source/:kind/:destination';
const ORDER = ['vhost', 'source', 'type', 'destination', 'routing_key', 'properties_key'];

interface BindingRow {
  readonly vhost: string;
  readonly binding: Binding;
}

/** A binding as the API shows it. */
export function bindingItem({ vhost, binding }: BindingRow): JsonObject {
  return {
    source: binding.source,
    vhost,
    destination: binding.destination,
    destination_type: binding.destinationKind,
    routing_key: binding.routingKey,
    arguments: tableToJson(binding.arguments),
    properties_key: propertiesKey(binding),
  };
}

/** All bindings of a virtual host, those of the default exchange included: each queue is bound to it by its name. */
export function* bindingsOf(call: Call, vhost: string): Iterable<Binding> {
  const { broker } = call.ports;
  for (const topic of broker.topics()) {
    if ((topic.vhost ?? '/') === vhost && topic.settings.kind === 'queue') yield defaultBinding(topic.name);
  }
  yield* broker.bindings(vhost);
}

function defaultBinding(queue: string): Binding {
  return {
    source: '',
    destination: queue,
    destinationKind: 'queue',
    routingKey: queue,
    arguments: new Uint8Array(0),
  };
}

async function answer(call: Call, rows: BindingRow[]): Promise<Answer> {
  return listAnswer(call, rows, { order: ORDER, name: ({ binding }) => binding.destination, item: bindingItem });
}

function rowsOf(vhost: string, bindings: Iterable<Binding>): BindingRow[] {
  return Array.from(bindings, (binding) => ({ vhost, binding }));
}

interface Ends {
  readonly vhost: string;
  readonly source: string;
  readonly destination: string;
  readonly destinationKind: 'queue' | 'exchange';
}

/** @throws ManagementError for a kind that is neither `q` nor `e`, and for ends that do not exist. */
function endsOf(call: Call): Ends {
  const kind = call.param('kind');
  if (kind !== 'q' && kind !== 'e') notFound();
  const vhost = requireVhost(call);
  const source = requireExchange(call, 'source').name;
  const destination = kind === 'q' ? requireQueue(call, 'destination').name : requireExchange(call, 'destination').name;
  return { vhost, source, destination, destinationKind: kind === 'q' ? 'queue' : 'exchange' };
}

function between(call: Call, { vhost, source, destination, destinationKind }: Ends): Binding[] {
  if (source === '') return destinationKind === 'queue' ? [defaultBinding(destination)] : [];
  const bindings = call.ports.broker.bindings(vhost, { source, destination });
  return [...bindings].filter((binding) => binding.destinationKind === destinationKind);
}

function requireBindingAccess(call: Call, { vhost, source, destination, destinationKind }: Ends, key: string): void {
  if (source === '' || (destinationKind === 'exchange' && destination === '')) {
    throw new ManagementError('not-authorised', 'ACCESS_REFUSED - operation not permitted on the default exchange');
  }
  requireAccess(call, vhost, 'write', destinationKind, destination);
  requireAccess(call, vhost, 'read', 'exchange', source);
  requireTopicAccess(call, vhost, 'read', source, [key]);
}

function oneOf(call: Call, ends: Ends): Binding {
  return bindingOf(between(call, ends), call.param('properties')) ?? notFound();
}

/** Operations on bindings. */
export const bindingEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/bindings',
    tag: TAG,
    summary: 'All bindings',
    needs: 'management',
    isList: true,
    statuses: [200],
    handle: (call) => {
      checkListVhost(call);
      const vhosts = listScope(call).vhosts ?? vhostNames(call.ports);
      return answer(
        call,
        vhosts.flatMap((vhost) => rowsOf(vhost, bindingsOf(call, vhost))),
      );
    },
  }),
  endpoint({
    method: 'GET',
    path: '/bindings/:vhost',
    tag: TAG,
    summary: 'Bindings of a virtual host',
    needs: 'vhost',
    isList: true,
    statuses: [200],
    handle: (call) => {
      const vhost = requireVhost(call);
      return answer(call, rowsOf(vhost, bindingsOf(call, vhost)));
    },
  }),
  endpoint({
    method: 'GET',
    path: '/exchanges/:vhost/:exchange/bindings/source',
    tag: TAG,
    summary: 'Bindings from an exchange',
    needs: 'vhost',
    isList: true,
    statuses: [200],
    handle: (call) => {
      const { vhost, name } = requireExchange(call);
      const all = name === '' ? [...bindingsOf(call, vhost)].filter(({ source }) => source === '') : undefined;
      return answer(call, rowsOf(vhost, all ?? call.ports.broker.bindings(vhost, { source: name })));
    },
  }),
  endpoint({
    method: 'GET',
    path: '/exchanges/:vhost/:exchange/bindings/destination',
    tag: TAG,
    summary: 'Bindings to an exchange',
    needs: 'vhost',
    isList: true,
    statuses: [200],
    handle: (call) => {
      const { vhost, name } = requireExchange(call);
      const to = [...call.ports.broker.bindings(vhost, { destination: name })];
      return answer(
        call,
        rowsOf(
          vhost,
          to.filter((binding) => binding.destinationKind === 'exchange'),
        ),
      );
    },
  }),
  endpoint({
    method: 'GET',
    path: '/queues/:vhost/:queue/bindings',
    tag: TAG,
    summary: 'Bindings to a queue',
    needs: 'vhost',
    isList: true,
    statuses: [200],
    handle: (call) => {
      const queue = requireQueue(call);
      const vhost = requireVhost(call);
      const to = [...call.ports.broker.bindings(vhost, { destination: queue.name })];
      const own = to.filter((binding) => binding.destinationKind === 'queue');
      return answer(call, rowsOf(vhost, [defaultBinding(queue.name), ...own]));
    },
  }),
  endpoint({
    method: 'GET',
    path: PAIR,
    tag: TAG,
    summary: 'Bindings from an exchange to a queue (`q`) or an exchange (`e`)',
    needs: 'vhost',
    isList: true,
    statuses: [200],
    handle: (call) => {
      const ends = endsOf(call);
      return answer(call, rowsOf(ends.vhost, between(call, ends)));
    },
  }),
  endpointWithBody({
    method: 'POST',
    path: PAIR,
    tag: TAG,
    summary: 'Bind',
    needs: 'vhost',
    body: bindingBody,
    statuses: [201],
    handle: async (call) => {
      const ends = endsOf(call);
      const routingKey = call.body.routing_key ?? '';
      requireBindingAccess(call, ends, routingKey);
      const { vhost, source, destination, destinationKind } = ends;
      if (destinationKind === 'queue') requireShared(requireQueue(call, 'destination'), vhost);
      const table = tableFromJson(call.body.arguments);
      const binding = { source, destination, destinationKind, routingKey, arguments: table };
      await call.ports.broker.bind(vhost, binding, '');
      return {
        status: 201,
        location: `${encodeURIComponent(call.param('destination'))}/${encodeURIComponent(propertiesKey(binding))}`,
      };
    },
  }),
  endpoint({
    method: 'GET',
    path: `${PAIR}/:properties`,
    tag: TAG,
    summary: 'A binding; the last part is its `properties_key`',
    needs: 'vhost',
    statuses: [200],
    handle: (call) => {
      const ends = endsOf(call);
      return itemAnswer(call, bindingItem({ vhost: ends.vhost, binding: oneOf(call, ends) }));
    },
  }),
  endpoint({
    method: 'DELETE',
    path: `${PAIR}/:properties`,
    tag: TAG,
    summary: 'Unbind',
    needs: 'vhost',
    statuses: [204],
    handle: async (call) => {
      const ends = endsOf(call);
      const binding = oneOf(call, ends);
      requireBindingAccess(call, ends, binding.routingKey);
      if (ends.destinationKind === 'queue') requireShared(requireQueue(call, 'destination'), ends.vhost);
      await call.ports.broker.unbind(ends.vhost, binding, '');
      return DONE;
    },
  }),
];
