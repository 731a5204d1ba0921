/**
 * Parameters of components in virtual hosts, and global ones. Operator policies and limits of virtual hosts are parameters as well, as in RabbitMQ, though
 * the node keeps them elsewhere.
 */
import type { ParameterEntry, PolicyEntry } from '../../../broker/access/model.js';
import type { AccessRequest } from '../../../broker/access/requests.js';
import { type Call, DONE, type Endpoint, endpoint, endpointWithBody, stored } from '../endpoint.js';
import { badRequest, notFound } from '../errors.js';
import type { Json, JsonObject } from '../json.js';
import { enteredVhosts, isAdministrator, vhostNames } from '../permissions.js';
import { checkedBody } from '../schema-errors.js';
import { parameterBody, policyBody } from '../schemas.js';
import { itemAnswer, listAnswer, plainShape, requireVhost } from './lists.js';
import { policyRequest } from './policy-requests.js';

const TAG = 'parameters';
const PATH = '/parameters/:component/:vhost/:name';
const LIMITS = 'vhost-limits';
const OPERATOR_POLICY = 'operator_policy';
const LIMIT_NAMES = ['max-connections', 'max-queues'] as const;

function parameterItem({ vhost, component, name, value }: ParameterEntry): JsonObject {
  return { value, vhost: vhost ?? '', component, name };
}

function operatorPolicyItem({ vhost, name, pattern, applyTo, priority, definition }: PolicyEntry): JsonObject {
  return { value: { 'apply-to': applyTo, definition, pattern, priority }, vhost, component: OPERATOR_POLICY, name };
}

/** All that RabbitMQ calls parameters of a virtual host. */
export function parameterItems(call: Pick<Call, 'ports'>, vhost: string): JsonObject[] {
  const { view } = call.ports;
  const limits = { ...view.vhostLimits(vhost) };
  return [
    ...(Object.keys(limits).length === 0 ? [] : [{ value: limits, vhost, component: LIMITS, name: 'limits' }]),
    ...Array.from(view.policies(true, vhost), operatorPolicyItem),
    ...Array.from(view.parameters(vhost), parameterItem),
  ];
}

/** What setting a parameter asks of the node. @throws ManagementError */
export function parameterRequests(vhost: string, component: string, name: string, value: Json): AccessRequest[] {
  if (component === LIMITS) return limitRequests(vhost, value);
  if (component !== OPERATOR_POLICY) return [{ kind: 'set-parameter', vhost, component, name, value }];
  // What the schema has made of the value.
  const policy = checkedBody(policyBody, value) as Parameters<typeof policyRequest>[3];
  return [policyRequest(true, vhost, name, policy)];
}

function limitRequests(vhost: string, value: Json): AccessRequest[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return badRequest('Limits must be an object');
  const limits = value as JsonObject;
  return LIMIT_NAMES.flatMap((limit): AccessRequest[] => {
    const given = limits[limit];
    if (given === undefined) return [{ kind: 'clear-vhost-limit', vhost, limit }];
    if (!Number.isSafeInteger(given)) return badRequest(`The limit ${limit} must be a whole number`);
    return [{ kind: 'set-vhost-limit', vhost, limit, value: Number(given) }];
  });
}

function clearRequests(vhost: string, component: string, name: string): AccessRequest[] {
  if (component === LIMITS) return LIMIT_NAMES.map((limit) => ({ kind: 'clear-vhost-limit', vhost, limit }));
  if (component === OPERATOR_POLICY) return [{ kind: 'clear-policy', operator: true, vhost, name }];
  return [{ kind: 'clear-parameter', vhost, component, name }];
}

function find(call: Call): JsonObject | undefined {
  const vhost = requireVhost(call);
  const [component, name] = [call.param('component'), call.param('name')];
  return parameterItems(call, vhost).find((item) => item['component'] === component && item['name'] === name);
}

function list(path: string, needs: 'management' | 'policymaker', summary: string): Endpoint {
  return endpoint({
    method: 'GET',
    path,
    tag: TAG,
    summary,
    needs,
    isList: true,
    statuses: [200],
    handle: (call) => {
      const { ports, principal } = call;
      const all = isAdministrator(principal) ? vhostNames(ports) : enteredVhosts(ports, principal);
      const vhosts = path.includes(':vhost') ? [requireVhost(call)] : all;
      const items = vhosts.flatMap((vhost) => parameterItems(call, vhost));
      const wanted = path.includes(':component')
        ? items.filter((item) => item['component'] === call.param('component'))
        : items;
      return listAnswer(call, wanted, plainShape(['vhost', 'component', 'name']));
    },
  });
}

function globalItem({ name, value }: ParameterEntry): JsonObject {
  return { name, value };
}

function globalParameter(call: Call): ParameterEntry {
  return call.ports.view.parameter(undefined, '', call.param('name')) ?? notFound();
}

/** Operations on parameters. */
export const parameterEndpoints: readonly Endpoint[] = [
  list('/parameters', 'management', 'Parameters of all components'),
  list('/parameters/:component', 'management', 'Parameters of a component'),
  list('/parameters/:component/:vhost', 'policymaker', 'Parameters of a component in a virtual host'),
  endpoint({
    method: 'GET',
    path: PATH,
    tag: TAG,
    summary: 'A parameter',
    needs: 'policymaker',
    statuses: [200],
    handle: (call) => itemAnswer(call, find(call) ?? notFound()),
  }),
  endpointWithBody({
    method: 'PUT',
    path: PATH,
    tag: TAG,
    summary: 'Set a parameter',
    needs: 'policymaker',
    body: parameterBody,
    statuses: [201, 204],
    handle: async (call) => {
      const isNew = find(call) === undefined;
      const [component, name] = [call.param('component'), call.param('name')];
      // What a policy maker cannot set in one place he cannot set in another.
      if ((component === LIMITS || component === OPERATOR_POLICY) && !isAdministrator(call.principal)) {
        badRequest(`Only administrators may set parameters of ${component}`);
      }
      const requests = parameterRequests(requireVhost(call), component, name, call.body.value);
      await call.ports.administer(requests, call.actor);
      return stored(isNew);
    },
  }),
  endpoint({
    method: 'DELETE',
    path: PATH,
    tag: TAG,
    summary: 'Clear a parameter',
    needs: 'policymaker',
    statuses: [204],
    handle: async (call) => {
      if (find(call) === undefined) notFound();
      const [component, name] = [call.param('component'), call.param('name')];
      if ((component === LIMITS || component === OPERATOR_POLICY) && !isAdministrator(call.principal)) {
        badRequest(`Only administrators may clear parameters of ${component}`);
      }
      await call.ports.administer(clearRequests(requireVhost(call), component, name), call.actor);
      return DONE;
    },
  }),
  endpoint({
    method: 'GET',
    path: '/global-parameters',
    tag: TAG,
    summary: 'Global parameters',
    needs: 'global-policymaker',
    isList: true,
    statuses: [200],
    handle: (call) =>
      listAnswer(call, Array.from(call.ports.view.globalParameters(), globalItem), plainShape(['name'])),
  }),
  endpoint({
    method: 'GET',
    path: '/global-parameters/:name',
    tag: TAG,
    summary: 'A global parameter',
    needs: 'global-policymaker',
    statuses: [200],
    handle: (call) => itemAnswer(call, globalItem(globalParameter(call))),
  }),
  endpointWithBody({
    method: 'PUT',
    path: '/global-parameters/:name',
    tag: TAG,
    summary: 'Set a global parameter',
    needs: 'global-policymaker',
    body: parameterBody,
    statuses: [201, 204],
    handle: async (call) => {
      const name = call.param('name');
      const request = { kind: 'set-parameter', component: '', name, value: call.body.value } as const;
      const [outcome] = await call.ports.administer([request], call.actor);
      return stored(outcome === 'created');
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/global-parameters/:name',
    tag: TAG,
    summary: 'Clear a global parameter',
    needs: 'global-policymaker',
    statuses: [204],
    handle: async (call) => {
      const { name } = globalParameter(call);
      await call.ports.administer([{ kind: 'clear-parameter', component: '', name }], call.actor);
      return DONE;
    },
  }),
];
