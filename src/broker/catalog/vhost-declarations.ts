/** Making and removing virtual hosts. */
import type { Catalog } from '../catalog.js';
import { BrokerError } from '../errors.js';
import type { MetadataChange } from '../metadata-changes.js';
import { VHOSTS_MAX } from '../metadata-limits.js';
import { DEFAULT_VHOST, INTERNAL_VHOST } from '../model.js';
import { checkShortName } from './queue-declarations.js';
import { Removal } from './removal.js';
import type { VhostImage } from './vhost-image.js';

/** @throws BrokerError `not-found` */
export function requireVhost(catalog: Catalog, vhost: string): VhostImage {
  const image = vhost === INTERNAL_VHOST ? undefined : catalog.vhost(vhost);
  if (image === undefined) throw new BrokerError('not-found', `no vhost '${vhost}'`);
  return image;
}

/** What making a virtual host changes; nothing when it exists. @throws BrokerError `invalid-request`, `limit-exceeded`, `access-refused` */
export function vhostCreationChanges(catalog: Catalog, vhost: string): readonly MetadataChange[] {
  if (vhost === INTERNAL_VHOST)
    throw new BrokerError('access-refused', `Cannot make vhost '${vhost}': the name is reserved`);
  if (catalog.hasVhost(vhost)) return [];
  checkShortName(vhost, `virtual host '${vhost}'`);
  if (catalog.vhostCount >= VHOSTS_MAX) {
    throw new BrokerError('limit-exceeded', `Cannot make vhost '${vhost}': there are ${VHOSTS_MAX} already`);
  }
  return [{ kind: 'create-vhost', vhost }];
}

/** What removing a virtual host with all that is in it changes. @throws BrokerError `not-found`, `access-refused` for the default one */
export function vhostDeletionChanges(catalog: Catalog, vhost: string): readonly MetadataChange[] {
  const image = requireVhost(catalog, vhost);
  if (vhost === DEFAULT_VHOST) {
    throw new BrokerError('access-refused', `Cannot delete vhost '${vhost}': it is the default one`);
  }
  const { changes } = new Removal(catalog, image).all();
  const clearings = catalog.access.clearingsOf(vhost).map((change): MetadataChange => ({ kind: 'access', change }));
  // The last one deletes the virtual host itself.
  return [...changes.slice(0, -1), ...clearings, ...changes.slice(-1)];
}
