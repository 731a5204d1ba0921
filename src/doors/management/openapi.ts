/** An OpenAPI 3.1 description (https://spec.openapis.org/oas/v3.1.0), made of the operations and of the schemas that check their bodies. */
import { z } from 'zod';
import type { Endpoint, Need } from './endpoint.js';
import type { Json, JsonObject } from './json.js';
import { PAGE_SIZE_MAX } from './limits.js';
import { API_PREFIX } from './paths.js';

const NEEDS: Readonly<Record<Need, string>> = {
  nobody: 'Anybody may.',
  management: 'Any user with one of the tags management, policymaker, monitoring, administrator.',
  monitoring: 'Tag monitoring or administrator.',
  policymaker: 'Tag administrator, or policymaker with access to the virtual host.',
  'global-policymaker': 'Tag policymaker or administrator.',
  administrator: 'Tag administrator.',
  vhost: 'Tag administrator, or any management tag with access to the virtual host.',
  'vhost-visible': 'Tag monitoring or administrator, or any management tag with access to the virtual host.',
  owner: 'The user whose object it is; monitoring sees others, administrator ends them.',
};

const STATUSES: Readonly<Record<number, string>> = {
  200: 'Done; the answer is in the body',
  201: 'Made',
  204: 'Done',
  503: 'Not well; the body says why',
};

const LIST_PARAMETERS: readonly JsonObject[] = [
  query('page', 'Page to answer with, from 1', { type: 'integer', minimum: 1 }),
  query('page_size', 'Items of a page', { type: 'integer', minimum: 1, maximum: PAGE_SIZE_MAX }),
  query('name', 'Part of the name, or a regular expression', { type: 'string' }),
  query('use_regex', 'Whether `name` is a regular expression', { type: 'boolean' }),
  query('sort', 'Column to sort by; parts of nested ones with dots between', { type: 'string' }),
  query('sort_reverse', 'Whether the order is turned round', { type: 'boolean' }),
  query('columns', 'Columns to answer with, with commas between', { type: 'string' }),
];

function query(name: string, description: string, schema: JsonObject): JsonObject {
  return { name, in: 'query', required: false, description, schema };
}

const ERROR: JsonObject = {
  description: 'Refused',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
};

/** The whole description. */
export function openApi(endpoints: readonly Endpoint[], version: string): JsonObject {
  const paths = new Map<string, Record<string, Json>>();
  for (const endpoint of endpoints) {
    const path = `${API_PREFIX}${endpoint.path.replace(/:(\w+)/g, '{$1}')}`;
    const methods = paths.get(path) ?? {};
    methods[endpoint.method.toLowerCase()] = operation(endpoint);
    paths.set(path, methods);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Duolog management API', version },
    paths: Object.fromEntries(paths),
    security: [{ basic: [] }, { bearer: [] }],
    components: {
      securitySchemes: { basic: { type: 'http', scheme: 'basic' }, bearer: { type: 'http', scheme: 'bearer' } },
      schemas: {
        Error: {
          type: 'object',
          properties: { error: { type: 'string' }, reason: { type: 'string' } },
          required: ['error', 'reason'],
        },
      },
    },
  };
}

function operation(endpoint: Endpoint): JsonObject {
  const { method, path, tag, summary, needs, body, isList = false, statuses } = endpoint;
  const inPath = [...path.matchAll(/:(\w+)/g)].map(
    ([, name]): JsonObject => ({ name: name ?? '', in: 'path', required: true, schema: { type: 'string' } }),
  );
  const answers = statuses.map((status): [string, Json] => [
    String(status),
    { description: STATUSES[status] ?? 'Done' },
  ]);
  return {
    operationId: `${method.toLowerCase()}${path.replace(/[/:-]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    tags: [tag],
    summary,
    description: NEEDS[needs],
    parameters: isList ? [...inPath, ...LIST_PARAMETERS] : inPath,
    ...(body === undefined ? {} : { requestBody: { content: { 'application/json': { schema: schemaOf(body) } } } }),
    ...(needs === 'nobody' ? { security: [] } : {}),
    responses: { ...Object.fromEntries(answers), default: ERROR },
  };
}

function schemaOf(body: NonNullable<Endpoint['body']>): Json {
  // What the library gives is JSON, whatever its type says. Custom checks become schemas that take anything.
  const schema = z.toJSONSchema(body, { io: 'input', unrepresentable: 'any' }) as unknown as Record<string, Json>;
  const { $schema: _, ...rest } = schema;
  return rest;
}
