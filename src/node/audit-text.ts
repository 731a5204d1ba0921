import type { AuditLine } from '../broker/access/audit.js';

/** A line of the audit log in words; its fields hold the same for programs. */
export function auditText({ audit, user, action, resource, vhost, verdict, reason }: AuditLine): string {
  const who = user === '' ? '' : ` of user '${user}'`;
  const where = vhost === '' ? '' : ` in vhost '${vhost}'`;
  const what = resource === '' ? '' : ` to ${resource}`;
  return `Audit: ${audit} ${action}${who}${what}${where} ${verdict}: ${reason}`;
}
