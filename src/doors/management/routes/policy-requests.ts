import type { PolicyTarget } from '../../../broker/access/model.js';
import type { AccessRequest } from '../../../broker/access/requests.js';
import { badRequest } from '../errors.js';
import type { JsonObject } from '../json.js';

const TARGETS: readonly PolicyTarget[] = ['all', 'queues', 'exchanges', 'classic_queues', 'quorum_queues', 'streams'];

/** What setting a policy asks of the node. @throws ManagementError for a target that does not exist */
export function policyRequest(
  operator: boolean,
  vhost: string,
  name: string,
  policy: {
    readonly pattern: string;
    readonly definition: JsonObject;
    readonly priority?: number | null | undefined;
    readonly 'apply-to'?: string | null | undefined;
  },
): AccessRequest {
  const { pattern, definition, priority, 'apply-to': given } = policy;
  const fallback: PolicyTarget = operator ? 'queues' : 'all';
  const target = given === undefined || given === null || given === '' ? fallback : given;
  const applyTo = TARGETS.find((known) => known === target) ?? badRequest(`apply-to '${target}' unrecognised`);
  return { kind: 'set-policy', operator, vhost, name, pattern, applyTo, priority: priority ?? 0, definition };
}
