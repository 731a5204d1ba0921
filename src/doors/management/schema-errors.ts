import type { ZodType } from 'zod';
import { badRequest } from './errors.js';
import { REPEATED_MAX_CHARACTERS } from './limits.js';

/** What a schema makes of a body. @throws ManagementError that names what is missing as RabbitMQ does, or what is wrong. */
export function checkedBody(schema: ZodType, body: unknown): unknown {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const { issues } = result.error;
  const missing = issues.filter(({ path }) => path.length === 1 && isMissing(body, path[0]));
  if (missing.length > 0) badRequest(`[${missing.map(({ path }) => `{key_missing,${String(path[0])}}`).join(',')}]`);
  const [first] = issues;
  const where = first === undefined || first.path.length === 0 ? 'The body' : first.path.join('.');
  return badRequest(`${where}: ${first?.message ?? 'is not as it must be'}`.slice(0, REPEATED_MAX_CHARACTERS));
}

function isMissing(body: unknown, name: PropertyKey | undefined): boolean {
  return typeof body === 'object' && body !== null && name !== undefined && !Object.hasOwn(body, name);
}
