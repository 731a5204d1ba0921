import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { tlsSessionOf } from '../../tls/peer.js';
import type { TlsSession } from '../../tls/port.js';
import { plainAddress } from '../address.js';
import { HttpBody } from '../http-body.js';
import type { HttpHandler, HttpRequest, HttpResponse } from '../port.js';

/** A request target split at its `?`. */
export function splitTarget(url: string | undefined): { path: string; query: string } {
  const target = url ?? '/';
  const mark = target.indexOf('?');
  return mark < 0 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

/** Value of a header; several of the same name as `node:http` joins them. */
export function headerOf(message: IncomingMessage, lowerCaseName: string): string {
  const value = message.headers[lowerCaseName];
  return Array.isArray(value) ? (value[0] ?? '') : (value ?? '');
}

/** What TLS knows of the connection that a request came by; undefined in clear. */
export function tlsOf(message: IncomingMessage): TlsSession | undefined {
  // `encrypted` is how Node marks its TLS sockets; asking for the class would load it into every node.
  return 'encrypted' in message.socket ? tlsSessionOf(message.socket as TLSSocket) : undefined;
}

/** Answers an upgrade request with a plain sentence and closes the connection. */
export function refuseUpgrade(socket: Duplex, status: number, reason: string): void {
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(reason)}\r\n\r\n${reason}`,
  );
}

/** Answers with a plain sentence and closes the connection. */
export function refuse(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, {
    connection: 'close',
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(reason),
  });
  response.end(reason);
}

/** Runs the handler for one request and sees to its body, its abortion and its one response. */
export function serveHttp(
  message: IncomingMessage,
  response: ServerResponse,
  handler: HttpHandler,
  maxBodyBytes: number,
): void {
  if (Number(headerOf(message, 'content-length')) > maxBodyBytes)
    return refuse(response, 413, 'The request body is too large');
  const exchange = new NodeExchange(message, response, maxBodyBytes);
  handler(exchange, (reply) => exchange.respond(reply));
  exchange.discardUnreadBody();
}

class NodeExchange implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly remoteAddress: string;
  isAborted = false;
  private isAnswered = false;
  private body_: HttpBody | undefined;
  private readonly message: IncomingMessage;
  private readonly response: ServerResponse;
  private readonly maxBodyBytes: number;

  constructor(message: IncomingMessage, response: ServerResponse, maxBodyBytes: number) {
    this.message = message;
    this.response = response;
    this.maxBodyBytes = maxBodyBytes;
    this.method = message.method ?? '';
    const { path, query } = splitTarget(message.url);
    this.path = path;
    this.query = query;
    this.remoteAddress = plainAddress(message.socket.remoteAddress);
    response.on('error', () => {});
    response.once('close', () => {
      if (response.writableFinished) return;
      this.isAborted = true;
      this.body_?.abort();
    });
  }

  get tls(): TlsSession | undefined {
    return tlsOf(this.message);
  }

  header(lowerCaseName: string): string {
    return headerOf(this.message, lowerCaseName);
  }

  body(): Promise<Uint8Array> {
    if (this.body_ === undefined) {
      const body = new HttpBody(this.maxBodyBytes);
      this.body_ = body;
      this.message.on('data', (chunk: Buffer) => {
        if (!body.append(chunk)) this.refuseBody();
      });
      this.message.on('end', () => body.complete());
    }
    return this.body_.read();
  }

  /** Lets a body that nobody asked for run past, so that the connection can go on. */
  discardUnreadBody(): void {
    if (this.body_ === undefined) this.message.resume();
  }

  respond(reply: HttpResponse): boolean {
    if (this.isAborted || this.isAnswered) return false;
    this.isAnswered = true;
    const body = reply.body ?? '';
    const headers: string[] = [];
    for (const [name, value] of reply.headers ?? []) headers.push(name, value);
    headers.push('content-length', String(Buffer.byteLength(body)));
    this.response.writeHead(reply.status, headers);
    this.response.end(this.method === 'HEAD' ? undefined : body);
    return true;
  }

  private refuseBody(): void {
    if (this.isAborted || this.isAnswered) return;
    this.isAnswered = true;
    this.response.once('finish', () => this.message.destroy());
    refuse(this.response, 413, 'The request body is too large');
  }
}
