/** Finds what a path names. */

import type { Endpoint, Method } from './endpoint.js';
import { badRequest } from './errors.js';

/** Where the API begins. */
export const API_PREFIX = '/api';

/** Whether the management API answers at a path. */
export function isManagementPath(path: string): boolean {
  return path === API_PREFIX || path.startsWith(`${API_PREFIX}/`);
}

/** What answers at a path. */
export interface Resource {
  readonly parts: readonly string[];
  readonly methods: ReadonlyMap<Method, Endpoint>;
}

/** A resource, and the texts that its parts with a colon stand for. */
export interface Match {
  readonly resource: Resource;
  readonly parameters: ReadonlyMap<string, string>;
}

/** All resources by their number of parts; those with more fixed parts first. */
export class PathTable {
  private readonly byLength = new Map<number, Resource[]>();

  constructor(endpoints: readonly Endpoint[]) {
    const byPath = new Map<string, Map<Method, Endpoint>>();
    for (const endpoint of endpoints) {
      const methods = byPath.get(endpoint.path) ?? new Map<Method, Endpoint>();
      methods.set(endpoint.method, endpoint);
      byPath.set(endpoint.path, methods);
    }
    for (const [path, methods] of byPath) {
      const parts = path.split('/').slice(1);
      this.byLength.set(parts.length, [...(this.byLength.get(parts.length) ?? []), { parts, methods }]);
    }
    for (const resources of this.byLength.values()) resources.sort((a, b) => compareParts(a.parts, b.parts));
  }

  /** `path` is encoded, and begins with the prefix. @throws ManagementError for a part that cannot be decoded. */
  find(path: string): Match | undefined {
    const parts = path.slice(API_PREFIX.length).split('/').slice(1);
    while (parts.at(-1) === '') parts.pop();
    for (const resource of this.byLength.get(parts.length) ?? []) {
      if (resource.parts.every((part, index) => part.startsWith(':') || part === parts[index])) {
        return { resource, parameters: parametersOf(resource, parts) };
      }
    }
    return undefined;
  }
}

/** Fixed parts before others, the first difference decides. */
function compareParts(left: readonly string[], right: readonly string[]): number {
  for (const [index, part] of left.entries()) {
    const order = Number(part.startsWith(':')) - Number(right[index]?.startsWith(':') ?? false);
    if (order !== 0) return order;
  }
  return 0;
}

function parametersOf({ parts }: Resource, given: readonly string[]): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [index, part] of parts.entries()) {
    if (part.startsWith(':')) parameters.set(part.slice(1), decode(given[index] ?? ''));
  }
  return parameters;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return badRequest('The path is not encoded as it must be');
  }
}
