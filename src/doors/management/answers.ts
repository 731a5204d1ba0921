/** Answers as HTTP has them: the same headers on each, the same shape for every refusal. */
import type { HttpResponse } from '../../io/ws/port.js';
import type { Answer, Method } from './endpoint.js';
import { ManagementError, refusalOf } from './errors.js';

type Header = readonly [name: string, value: string];

/** What a web page of another origin must be told; empty for all others. */
export type CorsHeaders = readonly Header[];

const PREFLIGHT_SECONDS = 1800;
const REALM = 'Basic realm="RabbitMQ Management"';

/** Nothing here is a document: it is not to be guessed at, shown in a frame, or kept. */
const SECURITY: readonly Header[] = [
  ['cache-control', 'no-store'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['referrer-policy', 'no-referrer'],
  ['vary', 'accept-encoding, origin'],
  ['x-content-type-options', 'nosniff'],
  ['x-frame-options', 'DENY'],
];
const JSON_TYPE: Header = ['content-type', 'application/json'];

/** For a page of an allowed origin that is not the node's own. */
export function allowedHeaders(origin: string, host: string): CorsHeaders {
  if (origin === '' || origin === `http://${host}` || origin === `https://${host}`) return [];
  return [
    ['access-control-allow-origin', origin],
    ['access-control-allow-credentials', 'true'],
    ['access-control-expose-headers', 'location'],
  ];
}

/** What an operation has answered. */
export function answerOf(answer: Answer, cors: CorsHeaders): HttpResponse {
  const headers = [...SECURITY, ...cors];
  if ('json' in answer || 'text' in answer) {
    const more = 'headers' in answer ? (answer.headers ?? []) : [];
    const body = 'text' in answer ? answer.text : JSON.stringify(answer.json);
    return { status: answer.status, headers: [JSON_TYPE, ...headers, ...more], body };
  }
  if (answer.status === 201 && answer.location !== undefined) headers.push(['location', answer.location]);
  return { status: answer.status, headers };
}

/** What was refused, and why. */
export function refusal(error: ManagementError, cors: CorsHeaders, methods: readonly Method[] = []): HttpResponse {
  const { status, error: name } = refusalOf(error);
  const allow: Header[] = methods.length === 0 ? [] : [['allow', allowed(methods)]];
  // Only a page that may use the API is told anything.
  const shared = error.code === 'forbidden-origin' ? [] : cors;
  return {
    status,
    headers: [JSON_TYPE, ...SECURITY, ...shared, ...allow],
    body: JSON.stringify({ error: name, reason: error.message }),
  };
}

/** Who asks is not known. */
export function unauthenticated(cors: CorsHeaders): HttpResponse {
  const { status, headers = [], body = '' } = refusal(new ManagementError('not-authenticated', 'Login failed'), cors);
  return { status, headers: [...headers, ['www-authenticate', REALM]], body };
}

/** The answer to OPTIONS. */
export function preflight(methods: readonly Method[], cors: CorsHeaders): HttpResponse {
  const allow = allowed(methods);
  const more: Header[] =
    cors.length === 0
      ? []
      : [
          ['access-control-allow-methods', allow],
          ['access-control-allow-headers', 'authorization, content-type, x-reason, x-vhost'],
          ['access-control-max-age', String(PREFLIGHT_SECONDS)],
        ];
  return { status: 200, headers: [...SECURITY, ['allow', allow], ...cors, ...more] };
}

function allowed(methods: readonly Method[]): string {
  return [...(methods.includes('GET') ? ['HEAD'] : []), ...methods, 'OPTIONS'].join(', ');
}
