/** Limits of virtual hosts and of users. */
import { type Call, DONE, type Endpoint, endpoint, endpointWithBody } from '../endpoint.js';
import { badRequest } from '../errors.js';
import type { JsonObject } from '../json.js';
import { enteredVhosts, isMonitor, vhostNames } from '../permissions.js';
import { limitBody } from '../schemas.js';
import { listAnswer, plainShape, requireVhost } from './lists.js';
import { requireUser } from './users.js';

const TAG = 'limits';
const VHOST_LIMITS = ['max-connections', 'max-queues'] as const;
const USER_LIMITS = ['max-connections', 'max-channels'] as const;

function vhostLimitItems(call: Call, vhosts: readonly string[]): JsonObject[] {
  return vhosts.flatMap((vhost) => {
    const value = { ...call.ports.view.vhostLimits(vhost) };
    return Object.keys(value).length === 0 ? [] : [{ vhost, value }];
  });
}

function userLimitItems(call: Call, users: readonly string[]): JsonObject[] {
  return users.flatMap((user) => {
    const value = { ...call.ports.view.userLimits(user) };
    return Object.keys(value).length === 0 ? [] : [{ user, value }];
  });
}

function limitOf<Name extends string>(call: Call, known: readonly Name[]): Name {
  const name = call.param('name');
  return (
    known.find((limit) => limit === name) ?? badRequest(`Unrecognised limit: ${name}. It is one of ${known.join(', ')}`)
  );
}

/** Operations on limits. */
export const limitEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/vhost-limits',
    tag: TAG,
    summary: 'Limits of virtual hosts that have some',
    needs: 'management',
    isList: true,
    statuses: [200],
    handle: (call) => {
      const { ports, principal } = call;
      const vhosts = isMonitor(principal) ? vhostNames(ports) : enteredVhosts(ports, principal);
      return listAnswer(call, vhostLimitItems(call, vhosts), plainShape(['vhost']));
    },
  }),
  endpoint({
    method: 'GET',
    path: '/vhost-limits/:vhost',
    tag: TAG,
    summary: 'Limits of a virtual host',
    needs: 'vhost-visible',
    isList: true,
    statuses: [200],
    handle: (call) => listAnswer(call, vhostLimitItems(call, [requireVhost(call)]), plainShape(['vhost'])),
  }),
  endpointWithBody({
    method: 'PUT',
    path: '/vhost-limits/:vhost/:name',
    tag: TAG,
    summary: 'Limit a virtual host: `max-connections`, `max-queues`; negative = without limit',
    needs: 'administrator',
    body: limitBody,
    statuses: [204],
    handle: async (call) => {
      const vhost = requireVhost(call);
      const limit = limitOf(call, VHOST_LIMITS);
      await call.ports.administer([{ kind: 'set-vhost-limit', vhost, limit, value: call.body.value }], call.actor);
      return DONE;
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/vhost-limits/:vhost/:name',
    tag: TAG,
    summary: 'Lift a limit of a virtual host',
    needs: 'administrator',
    statuses: [204],
    handle: async (call) => {
      const vhost = requireVhost(call);
      const limit = limitOf(call, VHOST_LIMITS);
      await call.ports.administer([{ kind: 'clear-vhost-limit', vhost, limit }], call.actor);
      return DONE;
    },
  }),
  endpoint({
    method: 'GET',
    path: '/user-limits',
    tag: TAG,
    summary: 'Limits of users who have some',
    needs: 'administrator',
    isList: true,
    statuses: [200],
    handle: (call) => {
      const names = Array.from(call.ports.view.users(), ({ name }) => name);
      return listAnswer(call, userLimitItems(call, names), plainShape(['user']));
    },
  }),
  endpoint({
    method: 'GET',
    path: '/user-limits/:user',
    tag: TAG,
    summary: 'Limits of a user',
    needs: 'administrator',
    isList: true,
    statuses: [200],
    handle: (call) => listAnswer(call, userLimitItems(call, [requireUser(call).name]), plainShape(['user'])),
  }),
  endpointWithBody({
    method: 'PUT',
    path: '/user-limits/:user/:name',
    tag: TAG,
    summary: 'Limit a user: `max-connections`, `max-channels`; negative = without limit',
    needs: 'administrator',
    body: limitBody,
    statuses: [204],
    handle: async (call) => {
      const user = requireUser(call).name;
      const limit = limitOf(call, USER_LIMITS);
      await call.ports.administer([{ kind: 'set-user-limit', user, limit, value: call.body.value }], call.actor);
      return DONE;
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/user-limits/:user/:name',
    tag: TAG,
    summary: 'Lift a limit of a user',
    needs: 'administrator',
    statuses: [204],
    handle: async (call) => {
      const user = requireUser(call).name;
      const limit = limitOf(call, USER_LIMITS);
      await call.ports.administer([{ kind: 'clear-user-limit', user, limit }], call.actor);
      return DONE;
    },
  }),
];
