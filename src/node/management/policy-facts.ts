/** Which policies are for a queue or an exchange, by name. */
import { policiesFor } from '../../broker/access/policies.js';
import type { Catalog, CatalogTopic } from '../../broker/catalog.js';
import { DEFAULT_VHOST, type ExchangeEntry } from '../../broker/model.js';
import { parseQueuePolicy } from '../../broker/queue-arguments.js';
import type { PolicyFacts } from './queue-items.js';

const NONE: PolicyFacts = { policy: null, operatorPolicy: null, definition: {} };

/** The policies of a queue. */
export function queuePolicies({ access }: Catalog, topic: CatalogTopic): PolicyFacts {
  if (access.policyCount === 0) return NONE;
  const { type } = parseQueuePolicy(topic.settings.queue?.arguments ?? new Uint8Array(0));
  const applied = policiesFor(access, topic.vhost ?? DEFAULT_VHOST, type, topic.name);
  if (applied === undefined) return NONE;
  const { policy, operatorPolicy, definition } = applied;
  return { policy: policy?.name ?? null, operatorPolicy: operatorPolicy?.name ?? null, definition };
}

/** The name of an exchange's policy; null without one. */
export function exchangePolicy({ access }: Catalog, { vhost, name }: ExchangeEntry): string | null {
  if (access.policyCount === 0) return null;
  return policiesFor(access, vhost, 'exchange', name)?.policy?.name ?? null;
}
