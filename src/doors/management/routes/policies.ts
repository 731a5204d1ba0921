/** Policies, and those of operators. */
import type { PolicyEntry } from '../../../broker/access/model.js';
import { type Answer, type Call, DONE, type Endpoint, endpoint, endpointWithBody, stored } from '../endpoint.js';
import { notFound } from '../errors.js';
import type { JsonObject } from '../json.js';
import { enteredVhosts, isAdministrator, vhostNames } from '../permissions.js';
import { policyBody } from '../schemas.js';
import { itemAnswer, listAnswer, plainShape, requireVhost } from './lists.js';
import { policyRequest } from './policy-requests.js';

const TAG = 'policies';

/** A policy as the API shows it. */
export function policyItem({ vhost, name, pattern, applyTo, definition, priority }: PolicyEntry): JsonObject {
  return { vhost, name, pattern, 'apply-to': applyTo, definition, priority };
}

function policyList(call: Call, operator: boolean, vhosts: readonly string[]): Promise<Answer> {
  const items = vhosts.flatMap((vhost) => Array.from(call.ports.view.policies(operator, vhost), policyItem));
  return listAnswer(call, items, plainShape(['priority', 'vhost', 'name']));
}

/** Both kinds have the same operations; only administrators change those of operators. */
function endpointsOf(operator: boolean): readonly Endpoint[] {
  const root = operator ? '/operator-policies' : '/policies';
  const one = operator ? 'An operator policy' : 'A policy';
  const path = `${root}/:vhost/:name`;
  const needs = operator ? 'administrator' : 'policymaker';
  const answer = (call: Call, vhosts: readonly string[]) => policyList(call, operator, vhosts);
  const require = (call: Call): PolicyEntry =>
    call.ports.view.policy(operator, requireVhost(call), call.param('name')) ?? notFound();
  return [
    endpoint({
      method: 'GET',
      path: root,
      tag: TAG,
      summary: operator ? 'Operator policies' : 'Policies',
      needs: 'management',
      isList: true,
      statuses: [200],
      handle: (call) => {
        const { ports, principal } = call;
        return answer(call, isAdministrator(principal) ? vhostNames(ports) : enteredVhosts(ports, principal));
      },
    }),
    endpoint({
      method: 'GET',
      path: `${root}/:vhost`,
      tag: TAG,
      summary: `${operator ? 'Operator policies' : 'Policies'} of a virtual host`,
      needs: 'vhost',
      isList: true,
      statuses: [200],
      handle: (call) => answer(call, [requireVhost(call)]),
    }),
    endpoint({
      method: 'GET',
      path,
      tag: TAG,
      summary: one,
      needs,
      statuses: [200],
      handle: (call) => itemAnswer(call, policyItem(require(call))),
    }),
    endpointWithBody({
      method: 'PUT',
      path,
      tag: TAG,
      summary: `Set ${one.toLowerCase()}`,
      needs,
      body: policyBody,
      statuses: [201, 204],
      handle: async (call) => {
        const request = policyRequest(operator, requireVhost(call), call.param('name'), call.body);
        const [outcome] = await call.ports.administer([request], call.actor);
        return stored(outcome === 'created');
      },
    }),
    endpoint({
      method: 'DELETE',
      path,
      tag: TAG,
      summary: `Clear ${one.toLowerCase()}`,
      needs,
      statuses: [204],
      handle: async (call) => {
        const { vhost, name } = require(call);
        await call.ports.administer([{ kind: 'clear-policy', operator, vhost, name }], call.actor);
        return DONE;
      },
    }),
  ];
}

/** Operations on policies. */
export const policyEndpoints: readonly Endpoint[] = [...endpointsOf(false), ...endpointsOf(true)];
