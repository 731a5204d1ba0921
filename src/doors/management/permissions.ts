/** Who may use which operation, and see what (rabbit_web_dispatch_access_control.erl), and what an operation on the broker asks for, as in AMQP. */
import type { AccessAction, Principal } from '../../broker/access.js';
import type { TopicEntry } from '../../broker/ports.js';
import type { Call, Need } from './endpoint.js';
import { badRequest, ManagementError } from './errors.js';
import type { ManagementPorts } from './ports.js';
import type { Scope } from './statistics.js';

const MANAGEMENT_TAGS: readonly string[] = ['administrator', 'monitoring', 'policymaker', 'management'];

/** Whether somebody may do everything. */
export function isAdministrator({ tags }: Principal): boolean {
  return tags.includes('administrator');
}

/** Whether somebody sees what others do. */
export function isMonitor({ tags }: Principal): boolean {
  return tags.includes('administrator') || tags.includes('monitoring');
}

function isPolicymaker({ tags }: Principal): boolean {
  return tags.includes('administrator') || tags.includes('policymaker');
}

/** @throws ManagementError `not-authorised` */
export function authorize(need: Need, ports: ManagementPorts, principal: Principal, vhost: string | undefined): void {
  if (!principal.tags.some((tag) => MANAGEMENT_TAGS.includes(tag))) refuse('Not management user');
  // One that does not exist is told of as such.
  const mayEnter = (): boolean =>
    vhost === undefined || !ports.broker.hasVhost(vhost) || ports.access.mayEnter(principal, vhost);
  switch (need) {
    case 'administrator':
      if (!isAdministrator(principal)) refuse('Not administrator user');
      return;
    case 'monitoring':
      if (!isMonitor(principal)) refuse('Not monitor user');
      return;
    case 'vhost':
      if (!isAdministrator(principal) && !mayEnter()) refuse('User not authorised to access virtual host');
      return;
    case 'vhost-visible':
      if (!isMonitor(principal) && !mayEnter()) refuse('User not authorised to access virtual host');
      return;
    case 'policymaker':
      if (isAdministrator(principal)) return;
      if (!isPolicymaker(principal) || !mayEnter()) refuse('User not authorised to access object');
      return;
    case 'global-policymaker':
      if (!isPolicymaker(principal)) refuse('User not authorised to access object');
      return;
    case 'nobody':
    case 'management':
    case 'owner':
      return;
  }
}

function refuse(reason: string): never {
  throw new ManagementError('not-authorised', reason);
}

/** What belongs to a user: he sees it and may end it, monitors see it, administrators may end it. @throws ManagementError `not-authorised` */
export function authorizeOwner({ principal }: Call, owner: string, isChange: boolean): void {
  if (owner === principal.user) return;
  if (isChange ? isAdministrator(principal) : isMonitor(principal)) return;
  refuse('User not authorised to access object');
}

/** Names of the virtual hosts that can be told of, without the node's own. */
export function vhostNames(ports: ManagementPorts): string[] {
  return [...ports.vhosts()];
}

/** Virtual hosts that a user may enter. */
export function enteredVhosts(ports: ManagementPorts, principal: Principal): string[] {
  return vhostNames(ports).filter((vhost) => ports.access.mayEnter(principal, vhost));
}

/** What a list of queues, exchanges and the like shows: everything to administrators, to others what is in virtual hosts that they may enter. */
export function listScope({ ports, principal, vhost }: Call): Scope {
  if (vhost !== undefined) return { vhosts: [vhost], user: undefined };
  return { vhosts: isAdministrator(principal) ? undefined : enteredVhosts(ports, principal), user: undefined };
}

/** What a list of connections or channels shows: everything to monitors, to others what is their own. */
export function ownScope({ principal, vhost }: Call): Scope {
  return { vhosts: vhost === undefined ? undefined : [vhost], user: isMonitor(principal) ? undefined : principal.user };
}

/** @throws ManagementError `not-authorised` unless the user may do this with an exchange or queue. */
export function requireAccess(
  call: Call,
  vhost: string,
  action: AccessAction,
  kind: 'exchange' | 'queue',
  name: string,
): void {
  const { ports, principal } = call;
  if (ports.access.mayEnter(principal, vhost) && ports.access.may(principal, vhost, action, kind, name)) return;
  const shown = kind === 'exchange' && name === '' ? 'amq.default' : name;
  refuse(
    `ACCESS_REFUSED - ${action} access to ${kind} '${shown}' in vhost '${vhost}' refused for user '${principal.user}'`,
  );
}

/** @throws ManagementError `not-authorised` unless topic permissions allow a routing key at an exchange of type topic. */
export function requireTopicAccess(
  call: Call,
  vhost: string,
  action: 'write' | 'read',
  exchange: string,
  routingKeys: Iterable<string>,
): void {
  const { ports, principal } = call;
  if (ports.broker.exchange(vhost, exchange)?.routesAs !== 'topic') return;
  const isAllowed = ports.access.topicGuard(principal, vhost, exchange, action);
  if (isAllowed === undefined) return;
  for (const key of routingKeys) {
    if (isAllowed(key)) continue;
    refuse(
      `ACCESS_REFUSED - ${action} access to topic '${key}' in exchange '${exchange}' in vhost '${vhost}' refused for user '${principal.user}'`,
    );
  }
}

/** @throws ManagementError when the queue is the own one of a connection: nobody else may use it. */
export function requireShared(queue: TopicEntry, vhost: string): void {
  if ((queue.settings.queue?.exclusiveOwner ?? '') === '') return;
  badRequest(
    `RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '${queue.name}' in vhost '${vhost}'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.`,
  );
}
