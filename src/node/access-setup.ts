/** Who may come in at the start: the first user, and whether strangers could do anything at all. */

import { seedRequests } from '../broker/access/plan.js';
import type { AccessRequest, Actor } from '../broker/access/requests.js';
import type { StoreAccessOptions } from '../broker/access/store-access.js';
import type { Catalog } from '../broker/catalog.js';
import { ConfigError, isLoopbackName, type NodeConfig } from './config.js';

/** The node itself, in the audit log. */
export const NODE_ACTOR: Actor = { user: '', address: '', door: 'node' };
/** The password that everybody knows. */
const KNOWN_PASSWORD = 'guest';

/** From where sessions may be anonymous, and who must come from loopback. */
export function accessRules(config: NodeConfig): Pick<StoreAccessOptions, 'anonymous' | 'loopbackUsers'> {
  if (config.allowAnonymous) return { anonymous: 'everywhere', loopbackUsers: [] };
  const loopbackUsers = config.loopbackUsers.filter((name) => name !== '' && name !== 'none');
  return { anonymous: config.anonymous, loopbackUsers };
}

/** What makes the first user; nothing when one was made at an earlier start, or users are there. */
export function firstUser(catalog: Catalog, config: NodeConfig): readonly AccessRequest[] {
  if (catalog.access.seeded || catalog.access.userCount > 0) return [];
  return seedRequests(config.defaultUser, config.defaultPass);
}

/**
 * Beyond loopback nothing is anonymous unless somebody says so.
 * @throws ConfigError when the node would listen for strangers, and there is no user for them.
 */
export function refuseStrangers(config: NodeConfig, catalog: Catalog): void {
  const { port, managementPort, amqpPort, amqpsPort } = config;
  const isClosed = [port, managementPort, amqpPort, amqpsPort].every((one) => one === 'off');
  const { anonymous, loopbackUsers } = accessRules(config);
  if (anonymous === 'everywhere' || isClosed || isLoopbackName(config.host)) return;
  const isFirst = firstUser(catalog, config).length > 0;
  const mayComeIn = (name: string): boolean => !loopbackUsers.includes(name);
  const isSafe = isFirst
    ? mayComeIn(config.defaultUser) && config.defaultPass !== KNOWN_PASSWORD
    : [...catalog.access.users()].some(({ name }) => mayComeIn(name));
  if (isSafe) return;
  const what = `Cannot start: --host is "${config.host}", which others can reach`;
  throw new ConfigError(
    'bad-setting',
    isFirst
      ? `${what}, and there is no user for them. Give the first one a name and a password of his own: --default-user NAME --default-pass PASSWORD. Or say --allow-anonymous if everybody may do everything`
      : `${what}, and all users come in from loopback only: ${loopbackUsers.join(', ')}. Make another user first, or say --allow-anonymous if everybody may do everything`,
  );
}
