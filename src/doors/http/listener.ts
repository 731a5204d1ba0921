import type { HttpHandler, HttpRequest, HttpRespond, HttpResponse } from '../../io/ws/port.js';
import type { NodeProbe } from './probe.js';
import { PROMETHEUS_CONTENT_TYPE } from './prometheus.js';

type Header = readonly [name: string, value: string];

const TEXT: Header = ['content-type', 'text/plain; charset=utf-8'];
const FRESH: Header = ['cache-control', 'no-store'];
// What a browser is told is taken for what it says it is, and nothing else.
const AS_TOLD: Header = ['x-content-type-options', 'nosniff'];

type Route = (probe: NodeProbe) => HttpResponse | Promise<HttpResponse>;

const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/healthz', (probe) => verdict(probe.health().healthy, probe.health().reasons)],
  ['/readyz', (probe) => verdict(probe.ready().ready, probe.ready().reasons)],
  ['/metrics', metrics],
]);

/** The handler of plain HTTP requests: /healthz, /readyz and /metrics for GET and HEAD, 405 for other methods, 404 elsewhere. */
export function httpHandler(probe: NodeProbe): HttpHandler {
  return (request, respond) => {
    const route = routes.get(request.path);
    if (route === undefined) respond(plain(404, `There is nothing at ${request.path.slice(0, 256)}\n`));
    else if (request.method !== 'GET' && request.method !== 'HEAD') respond(methodNotAllowed(request));
    else serve(route, probe, respond);
  };
}

function serve(route: Route, probe: NodeProbe, respond: HttpRespond): void {
  const response = route(probe);
  if (!(response instanceof Promise)) {
    respond(response);
    return;
  }
  response.then(respond, () => respond(plain(500, 'The node could not collect its metrics\n')));
}

function verdict(isGood: boolean, reasons: readonly string[]): HttpResponse {
  return plain(isGood ? 200 : 503, isGood ? 'ok\n' : `${reasons.join('\n')}\n`);
}

async function metrics(probe: NodeProbe): Promise<HttpResponse> {
  const body = await probe.metrics();
  return { status: 200, headers: [['content-type', PROMETHEUS_CONTENT_TYPE], FRESH, AS_TOLD], body };
}

function methodNotAllowed(request: HttpRequest): HttpResponse {
  const { status, headers = [], body = '' } = plain(405, `${request.path} answers GET and HEAD only\n`);
  return { status, headers: [...headers, ['allow', 'GET, HEAD']], body };
}

function plain(status: number, body: string): HttpResponse {
  return { status, headers: [TEXT, FRESH, AS_TOLD], body };
}
