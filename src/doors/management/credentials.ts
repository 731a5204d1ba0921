/** The credentials of a request: HTTP's Basic (RFC 7617) and Bearer (RFC 6750). */
import type { Credentials } from '../../broker/access.js';

const LONGEST_HEADER_CHARACTERS = 16 * 1024;

/** What the header `Authorization` says; undefined when it says nothing that is understood. */
export function readAuthorization(header: string): Credentials | undefined {
  if (header.length > LONGEST_HEADER_CHARACTERS) return undefined;
  const [, scheme = '', rest = ''] = /^(\w+) +(\S+)\s*$/.exec(header) ?? [];
  if (scheme.toLowerCase() === 'basic') return readBasic(rest);
  if (scheme.toLowerCase() === 'bearer') {
    return { mechanism: 'bearer', user: '', password: '', token: rest, door: 'http' };
  }
  return undefined;
}

function readBasic(encoded: string): Credentials | undefined {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return { mechanism: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1), door: 'http' };
}
