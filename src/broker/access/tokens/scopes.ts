/**
 * What a token's scopes allow, in the words of RabbitMQ's OAuth 2 plugin: `read:VHOST/NAME[/ROUTING KEY]`, likewise `write:` and `configure:`, each part a
 * pattern; and `tag:NAME`. docs/security.md shows them with examples.
 */
import type { AccessAction, Authority } from '../../access.js';
import { TAG_BYTES_MAX, TAGS_MAX } from '../limits.js';
import { parseWildcard, type Wildcard } from './wildcard.js';

/** One scope that allows something. */
interface Grant {
  readonly action: AccessAction;
  readonly vhost: Wildcard;
  readonly name: Wildcard;
  /** Absent: it says nothing of routing keys, and allows none. */
  readonly routingKey: Wildcard | undefined;
}

/** What all scopes of a token come to. */
export interface Rights {
  readonly tags: readonly string[];
  readonly authority: Authority;
}

const ACTIONS: ReadonlySet<string> = new Set<AccessAction>(['configure', 'write', 'read']);

/** Reads scopes, already without their prefix. What is none of ours says nothing here. */
export function rightsOf(scopes: Iterable<string>): Rights {
  const tags = new Set<string>();
  const grants: Grant[] = [];
  for (const scope of scopes) {
    const colon = scope.indexOf(':');
    const word = scope.slice(0, Math.max(0, colon));
    const rest = scope.slice(colon + 1);
    if (word === 'tag' && rest !== '' && rest.length <= TAG_BYTES_MAX && tags.size < TAGS_MAX) tags.add(rest);
    const grant = ACTIONS.has(word) ? readGrant(word as AccessAction, rest) : undefined;
    if (grant !== undefined) grants.push(grant);
  }
  return { tags: [...tags], authority: new ScopeAuthority(grants) };
}

function readGrant(action: AccessAction, pattern: string): Grant | undefined {
  const parts = pattern.split('/');
  if (parts.length < 2 || parts.length > 3) return undefined;
  const [vhost, name, routingKey] = parts.map(parseWildcard);
  // A scope of which a part cannot be read allows nothing, rather than more.
  if (vhost === undefined || name === undefined || (parts.length === 3 && routingKey === undefined)) return undefined;
  return { action, vhost, name, routingKey };
}

class ScopeAuthority implements Authority {
  private readonly grants: readonly Grant[];

  constructor(grants: readonly Grant[]) {
    this.grants = grants;
  }

  mayEnter(vhost: string): boolean {
    return this.grants.some((grant) => grant.vhost.test(vhost));
  }

  may(vhost: string, action: AccessAction, _kind: string, name: string): boolean {
    return this.grants.some((grant) => grant.action === action && grant.vhost.test(vhost) && grant.name.test(name));
  }

  mayTopic(vhost: string, action: 'write' | 'read', exchange: string, routingKey: string): boolean {
    return this.grants.some(
      (grant) =>
        grant.action === action &&
        grant.routingKey?.test(routingKey) === true &&
        grant.vhost.test(vhost) &&
        grant.name.test(exchange),
    );
  }
}
