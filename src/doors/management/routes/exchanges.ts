/** Exchanges: list, look, declare, delete. */
import type { ExchangeEntry, ExchangeType } from '../../../broker/model.js';
import { decodeTable, textOf } from '../../../record/amqp/field-table.js';
import { type Call, DONE, type Endpoint, endpoint, endpointWithBody, stored } from '../endpoint.js';
import { badRequest, ManagementError, notFound } from '../errors.js';
import { listScope, requireAccess } from '../permissions.js';
import { exchangeBody } from '../schemas.js';
import { tableFromJson } from '../tables.js';
import { askItem, itemAnswer, requireVhost, statisticsList } from './lists.js';

const TAG = 'exchanges';
const PATH = '/exchanges/:vhost/:exchange';
const TYPES: readonly string[] = ['direct', 'fanout', 'topic', 'headers', 'x-delayed-message'];

/** The exchange of the path. @throws ManagementError `not-found` */
export function requireExchange(call: Call, part = 'exchange'): ExchangeEntry {
  const vhost = requireVhost(call);
  return call.ports.broker.exchange(vhost, call.param(part)) ?? notFound('exchange_not_found');
}

function isType(text: string): text is ExchangeType {
  return TYPES.includes(text);
}

function refuseDefault(name: string): void {
  if (name !== '') return;
  throw new ManagementError('not-authorised', 'ACCESS_REFUSED - operation not permitted on the default exchange');
}

const list = (path: string, needs: 'management' | 'vhost', summary: string): Endpoint =>
  statisticsList({ path, tag: TAG, summary, needs }, 'exchanges', listScope);

/** Operations on exchanges. */
export const exchangeEndpoints: readonly Endpoint[] = [
  list('/exchanges', 'management', 'All exchanges'),
  list('/exchanges/:vhost', 'vhost', 'Exchanges of a virtual host'),
  endpoint({
    method: 'GET',
    path: PATH,
    tag: TAG,
    summary: 'An exchange',
    needs: 'vhost',
    statuses: [200],
    handle: async (call) => {
      const question = { kind: 'exchange', vhost: requireVhost(call), name: call.param('exchange') } as const;
      return itemAnswer(call, await askItem(call, question));
    },
  }),
  endpointWithBody({
    method: 'PUT',
    path: PATH,
    tag: TAG,
    summary: 'Declare an exchange',
    needs: 'vhost',
    body: exchangeBody,
    statuses: [201, 204],
    handle: async (call) => {
      const vhost = requireVhost(call);
      const { broker } = call.ports;
      const name = call.param('exchange');
      const { type, durable, auto_delete: autoDelete, internal } = call.body;
      if (!isType(type)) return badRequest(`unknown exchange type '${type}'`);
      refuseDefault(name);
      requireAccess(call, vhost, 'configure', 'exchange', name);
      const table = tableFromJson(call.body.arguments);
      const isKnown = broker.exchange(vhost, name) !== undefined;
      const alternate = textOf(decodeTable(table).get('alternate-exchange'));
      if (!isKnown && alternate !== undefined) {
        requireAccess(call, vhost, 'read', 'exchange', name);
        requireAccess(call, vhost, 'write', 'exchange', alternate);
      }
      await broker.declareExchange({
        vhost,
        name,
        type,
        passive: false,
        durable,
        autoDelete,
        internal,
        arguments: table,
      });
      return stored(!isKnown);
    },
  }),
  endpoint({
    method: 'DELETE',
    path: PATH,
    tag: TAG,
    summary: 'Delete an exchange; `if-unused=true` is a condition',
    needs: 'vhost',
    statuses: [204],
    handle: async (call) => {
      const { vhost, name } = requireExchange(call);
      refuseDefault(name);
      if (name.startsWith('amq.')) {
        const text = `ACCESS_REFUSED - deletion of system exchange '${name}' in vhost '${vhost}' not allowed`;
        throw new ManagementError('not-authorised', text);
      }
      requireAccess(call, vhost, 'configure', 'exchange', name);
      await call.ports.broker.deleteExchange(vhost, name, call.query.get('if-unused') === 'true');
      return DONE;
    },
  }),
];
