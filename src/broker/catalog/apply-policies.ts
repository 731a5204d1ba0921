/** What policies make of the catalog's entries: another entry where they make a difference, else the same one. */
import type { AccessImage } from '../access/access-image.js';
import { alternateByPolicy, effectiveArguments } from '../access/policies.js';
import { DEFAULT_VHOST, type ExchangeEntry, INTERNAL_VHOST } from '../model.js';
import type { CatalogTopic } from './vhost-image.js';

const NO_ARGUMENTS = new Uint8Array(0);

/** A topic or queue with the effective arguments that the policies of now give it. */
export function withQueuePolicies(access: AccessImage, topic: CatalogTopic): CatalogTopic {
  const { effectiveArguments: before, ...settings } = topic.settings;
  const { name, vhost = DEFAULT_VHOST } = topic;
  const isSubject = settings.kind === 'queue' && vhost !== INTERNAL_VHOST;
  const declared = settings.queue?.arguments ?? NO_ARGUMENTS;
  const now = isSubject ? effectiveArguments(access, vhost, name, declared) : undefined;
  if (isSame(before, now)) return topic;
  return { ...topic, settings: now === undefined ? settings : { ...settings, effectiveArguments: now } };
}

/** An exchange with the alternate that the policies of now give it, unless it was declared with one. */
export function withExchangePolicies(access: AccessImage, exchange: ExchangeEntry): ExchangeEntry {
  const { vhost, name, alternate, alternateByPolicy: isByPolicy, ...rest } = exchange;
  if (name === '' || (alternate !== undefined && isByPolicy !== true)) return exchange;
  const now = alternateByPolicy(access, vhost, name);
  if (now === alternate) return exchange;
  const declared = { ...rest, vhost, name, alternate: now };
  return now === undefined ? declared : { ...declared, alternateByPolicy: true };
}

function isSame(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  if (left === undefined || right === undefined) return left === right;
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
