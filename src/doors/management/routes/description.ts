import { type Endpoint, endpoint, json } from '../endpoint.js';
import { openApi } from '../openapi.js';

/** Describes all other operations. */
export function descriptionEndpoint(described: readonly Endpoint[]): Endpoint {
  return endpoint({
    method: 'GET',
    path: '/openapi.json',
    tag: 'node',
    summary: 'This description, in the format OpenAPI 3.1',
    needs: 'management',
    statuses: [200],
    handle: ({ ports }) => json(openApi(described, ports.node.version)),
  });
}
