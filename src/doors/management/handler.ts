/** The management API of one shard: from an HTTP request to an operation and back. Whatever a request holds, it is answered, and never by an exception. */
import { BugError } from '../../base/assert.js';
import type { AccessVerdict, Principal } from '../../broker/access.js';
import { WsServerError } from '../../io/ws/errors.js';
import { originCheck } from '../../io/ws/origin.js';
import type { HttpRequest, HttpRespond } from '../../io/ws/port.js';
import { allowedHeaders, answerOf, type CorsHeaders, preflight, refusal, unauthenticated } from './answers.js';
import { BodyRoom } from './body-room.js';
import { readAuthorization } from './credentials.js';
import type { Answer, Call, Endpoint, Method } from './endpoint.js';
import { endpoints } from './endpoints.js';
import { asManagementError, ManagementError, notFound } from './errors.js';
import { parseBody } from './json.js';
import * as limits from './limits.js';
import { type Match, PathTable } from './paths.js';
import { authorize } from './permissions.js';
import type { ManagementPorts } from './ports.js';
import { checkedBody } from './schema-errors.js';

/** Parameters of the path that name an exchange, where `amq.default` stands for the one without a name. */
const EXCHANGE_PARAMETERS: readonly string[] = ['exchange', 'source', 'destination'];

/** See the top of this file. */
export class ManagementDoor {
  private readonly ports: ManagementPorts;
  private readonly table = new PathTable(endpoints);
  private readonly bodies = new BodyRoom(limits.BODIES_MAX_BYTES);
  private readonly isAllowedOrigin: (origin: string, host: string) => boolean;

  constructor(ports: ManagementPorts) {
    this.ports = ports;
    this.isAllowedOrigin = originCheck(ports.settings.allowedOrigins);
  }

  /** Answers a request whose path is one of the management API. */
  handle(request: HttpRequest, respond: HttpRespond): void {
    const origin = request.header('origin');
    const cors: CorsHeaders = allowedHeaders(origin, request.header('host'));
    const fail = (thrown: unknown): void => {
      const error = asManagementError(thrown);
      if (error !== undefined) respond(refusal(error, cors));
      else if (!(thrown instanceof WsServerError)) {
        // A defect: the client is told, and the thread's owner finds it.
        respond(refusal(new ManagementError('internal', 'The node could not carry this out'), cors));
        queueMicrotask(() => {
          throw thrown;
        });
      }
    };
    try {
      this.begin(request, respond, cors, fail);
    } catch (thrown) {
      fail(thrown);
    }
  }

  private begin(request: HttpRequest, respond: HttpRespond, cors: CorsHeaders, fail: (thrown: unknown) => void): void {
    const origin = request.header('origin');
    if (!this.isAllowedOrigin(origin, request.header('host'))) {
      throw new ManagementError(
        'forbidden-origin',
        `Pages from ${origin.slice(0, limits.REPEATED_MAX_CHARACTERS)} may not use the API`,
      );
    }
    if (request.path.length + request.query.length > limits.TARGET_MAX_CHARACTERS) {
      throw new ManagementError('bad-request', `The path is longer than ${limits.TARGET_MAX_CHARACTERS} characters`);
    }
    const match = this.table.find(request.path);
    if (match === undefined) return notFound();
    const methods = [...match.resource.methods.keys()];
    if (request.method === 'OPTIONS') {
      respond(preflight(methods, cors));
      return;
    }
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const endpoint = match.resource.methods.get(method as Method);
    if (endpoint === undefined) {
      respond(refusal(new ManagementError('method-not-allowed', 'Method Not Allowed'), cors, methods));
      return;
    }
    this.authenticate(
      request,
      endpoint,
      match,
      (answer) => respond(answerOf(answer, cors)),
      fail,
      () => respond(unauthenticated(cors)),
    );
  }

  /** The body is asked for before this returns, as the listener wants it; where the verdict is known by then, only that of somebody who was let in. */
  private authenticate(
    request: HttpRequest,
    endpoint: Endpoint,
    match: Match,
    done: (answer: Answer) => void,
    fail: (thrown: unknown) => void,
    refused: () => void,
  ): void {
    if (endpoint.needs === 'nobody') {
      this.run(request, endpoint, match, NOBODY, this.body(request, endpoint)).then(done, fail);
      return;
    }
    const credentials = readAuthorization(request.header('authorization'));
    if (credentials === undefined) {
      refused();
      return;
    }
    const proceed = (verdict: AccessVerdict, body?: Promise<unknown>): void => {
      if (!verdict.accepted) {
        body?.catch(() => {});
        refused();
        return;
      }
      this.run(request, endpoint, match, verdict.principal, body ?? this.body(request, endpoint)).then(done, fail);
    };
    const verdict = this.ports.access.authenticate(credentials, request.remoteAddress);
    if (!(verdict instanceof Promise)) {
      proceed(verdict);
      return;
    }
    const body = this.body(request, endpoint);
    // It is looked at when the verdict is there.
    body.catch(() => {});
    verdict.then((decided) => proceed(decided, body), refused);
  }

  private async body(request: HttpRequest, endpoint: Endpoint): Promise<unknown> {
    const { body: schema, isLarge = false } = endpoint;
    if (schema === undefined) return undefined;
    const most = isLarge ? this.ports.settings.definitionsMaxBytes : limits.BODY_MAX_BYTES;
    const declared = Number(request.header('content-length') || most);
    if (!(declared <= most)) throw new ManagementError('too-large', 'Exceeded HTTP request body size limit');
    const leave = this.bodies.enter(declared);
    try {
      const bytes = await request.body();
      if (bytes.length > most) throw new ManagementError('too-large', 'Exceeded HTTP request body size limit');
      return parseBody(bytes);
    } finally {
      leave();
    }
  }

  private async run(
    request: HttpRequest,
    endpoint: Endpoint,
    match: Match,
    principal: Principal,
    body: Promise<unknown>,
  ): Promise<Answer> {
    // A body that is no JSON is told after who asks has been let through.
    body.catch(() => {});
    const call = this.callOf(request, match, principal);
    if (endpoint.needs !== 'nobody') authorize(endpoint.needs, this.ports, principal, call.vhost);
    const given = await body;
    if (endpoint.body === undefined) return endpoint.handle(call);
    return endpoint.handle({ ...call, body: checkedBody(endpoint.body, given) });
  }

  private callOf(request: HttpRequest, { parameters }: Match, principal: Principal): Call {
    const named = parameters.get('vhost') ?? (request.header('x-vhost') || undefined);
    return {
      ports: this.ports,
      principal,
      actor: { user: principal.user, address: request.remoteAddress, door: 'http' },
      query: new URLSearchParams(request.query),
      body: undefined,
      vhost: named,
      param: (name) => {
        const value = parameters.get(name);
        if (value === undefined) throw new BugError(`The path has no part :${name}`);
        return value === 'amq.default' && EXCHANGE_PARAMETERS.includes(name) ? '' : value;
      },
      header: (name) => request.header(name),
    };
  }
}

const NOBODY: Principal = { user: '', tags: [] };
