import type { LiveSession, Principal, SessionEnd } from '../access.js';
import type { Catalog } from '../catalog.js';

/** Why a session must end, and the sentence for its peer. */
export interface EndOfSession {
  readonly why: SessionEnd;
  readonly text: string;
}

/** Whether a session that was let in may go on; `isOpen` tells whether a principal may enter a virtual host. */
export function endOf(
  { principal, vhost }: LiveSession,
  catalog: Catalog,
  nowMs: number,
  isOpen: (principal: Principal, vhost: string) => boolean,
): EndOfSession | undefined {
  const { user, kind = 'user', expiresAtMs } = principal;
  if (kind === 'user') {
    const entry = catalog.access.user(user);
    if (entry === undefined) return { why: 'user-deleted', text: `user '${user}' is deleted` };
    if (entry.passwordVersion !== principal.passwordVersion) {
      return { why: 'password-changed', text: `the password of user '${user}' has changed` };
    }
  }
  if (expiresAtMs !== undefined && nowMs >= expiresAtMs) {
    return { why: 'credentials-expired', text: 'credential expired' };
  }
  if (!catalog.hasVhost(vhost)) return { why: 'vhost-deleted', text: `vhost '${vhost}' is deleted` };
  if (isOpen(principal, vhost)) return undefined;
  return { why: 'vhost-refused', text: `access to vhost '${vhost}' refused for user '${user}'` };
}
