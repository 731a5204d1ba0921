import type { HttpRequest as NativeRequest, HttpResponse as NativeResponse } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import type { TlsSession } from '../../tls/port.js';
import { addressFromBytes } from '../address.js';
import { HttpBody } from '../http-body.js';
import type { HttpHandler, HttpRequest, HttpResponse } from '../port.js';

/** Numeric address of the peer behind a response object. */
export function remoteAddressOf(response: NativeResponse): string {
  return addressFromBytes(new Uint8Array(response.getRemoteAddress()));
}

/** Answers with a plain sentence and closes the connection. */
export function refuse(response: NativeResponse, status: number, reason: string): void {
  response.cork(() => {
    response.writeStatus(statusLine(status)).writeHeader('content-type', 'text/plain; charset=utf-8').end(reason, true);
  });
}

/** Runs the handler for one request and sees to its body, its abortion and its one response. */
export function serveHttp(
  response: NativeResponse,
  native: NativeRequest,
  handler: HttpHandler,
  maxBodyBytes: number,
  tls: TlsSession | undefined,
): void {
  const headers = new Map<string, string>();
  native.forEach((name, value) => {
    if (!headers.has(name)) headers.set(name, value);
  });
  if (Number(headers.get('content-length') ?? 0) > maxBodyBytes)
    return refuse(response, 413, 'The request body is too large');
  const exchange = new UwsExchange(response, native, headers, maxBodyBytes, tls);
  handler(exchange, (reply) => exchange.respond(reply));
}

class UwsExchange implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly remoteAddress: string;
  readonly tls: TlsSession | undefined;
  isAborted = false;
  private isAnswered = false;
  private body_: HttpBody | undefined;
  private readonly response: NativeResponse;
  private readonly headers: ReadonlyMap<string, string>;
  private readonly maxBodyBytes: number;

  constructor(
    response: NativeResponse,
    native: NativeRequest,
    headers: ReadonlyMap<string, string>,
    maxBodyBytes: number,
    tls: TlsSession | undefined,
  ) {
    this.response = response;
    this.tls = tls;
    this.headers = headers;
    this.maxBodyBytes = maxBodyBytes;
    this.method = native.getCaseSensitiveMethod().toUpperCase();
    this.path = native.getUrl();
    this.query = native.getQuery() ?? '';
    this.remoteAddress = remoteAddressOf(response);
    response.onAborted(() => {
      this.isAborted = true;
      this.body_?.abort();
    });
  }

  header(lowerCaseName: string): string {
    return this.headers.get(lowerCaseName) ?? '';
  }

  body(): Promise<Uint8Array> {
    if (this.body_ === undefined) {
      const body = new HttpBody(this.maxBodyBytes);
      this.body_ = body;
      this.response.onData((chunk, isLast) => {
        // The chunk's memory is taken back on return.
        if (!body.append(new Uint8Array(chunk.slice(0)))) this.refuseBody();
        else if (isLast) body.complete();
      });
    }
    return this.body_.read();
  }

  respond(reply: HttpResponse): boolean {
    if (this.isAborted || this.isAnswered) return false;
    this.isAnswered = true;
    const response = this.response;
    response.cork(() => {
      response.writeStatus(statusLine(reply.status));
      for (const [name, value] of reply.headers ?? []) response.writeHeader(name, value);
      const body = reply.body ?? '';
      if (this.method === 'HEAD') response.endWithoutBody(Buffer.byteLength(body));
      else response.end(body);
    });
    return true;
  }

  private refuseBody(): void {
    if (this.isAborted || this.isAnswered) return;
    this.isAnswered = true;
    refuse(this.response, 413, 'The request body is too large');
  }
}

function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
}
