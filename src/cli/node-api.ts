/** The node's management API as commands use it: JSON over HTTP or HTTPS, at the same address as the native protocol. */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { Command } from 'commander';
import { noNode, tlsOptions } from './connection.js';
import { CliError, type CliErrorCode } from './exit-codes.js';
import type { ConnectionOptions, GlobalOptions } from './global-options.js';
import { Output } from './output.js';
import { optionsOf } from './place.js';
import type { Terminal } from './terminal.js';

/** A longer answer than any that a node gives. */
const ANSWER_MAX_BYTES = 512 * 1024 * 1024;
/** As RabbitMQ's tools do: the user that a new node has, who comes in from the same machine only. */
const FIRST_USER = 'guest';

/** An object of the API. */
export type Item = Readonly<Record<string, unknown>>;
type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

/** What a request is besides its path. */
export interface ApiRequest {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** In milliseconds; 0 = as long as it takes. The connection's own unless given. */
  readonly timeoutMs?: number;
}

/** What a command that uses the management API is given. */
export interface ApiSession<Options> {
  readonly api: NodeApi;
  readonly output: Output;
  readonly options: Options & GlobalOptions;
  readonly terminal: Terminal;
}

/** Turns what a command does with the management API into what commander calls. `Words` are the arguments as declared on the command. */
export function apiAction<Options, Words extends readonly unknown[]>(
  terminal: Terminal,
  body: (session: ApiSession<Options>, ...words: Words) => Promise<void>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    // Commander passes the declared arguments, then the command's own options, then the command.
    const command = given.at(-1) as Command;
    // The types of the words follow from the command's declared arguments, which commander does not know.
    const words = given.slice(0, -2) as unknown as Words;
    const options = await optionsOf<Options>(command, terminal);
    const api = new NodeApi(options, terminal.interrupted);
    await body({ api, output: new Output(terminal, options), options, terminal }, ...words);
  };
}

/** A path behind `/api`; whatever is put in becomes one part of it. */
export function path(parts: TemplateStringsArray, ...names: readonly string[]): string {
  return String.raw({ raw: parts }, ...names.map(encodeURIComponent));
}

/** See the top of this file. */
export class NodeApi {
  readonly #connection: ConnectionOptions;
  readonly #base: URL;
  readonly #interrupted: AbortSignal;

  constructor(connection: ConnectionOptions, interrupted: AbortSignal) {
    this.#connection = connection;
    this.#base = new URL(connection.url.replace(/^ws/i, 'http'));
    this.#interrupted = interrupted;
  }

  /** The objects of a list. */
  async list(where: string): Promise<readonly Item[]> {
    const answer = await this.ask('GET', where);
    // Every list of the API is an array of objects.
    if (Array.isArray(answer)) return answer as readonly Item[];
    throw new CliError('failed', `Cannot list ${where}: the node's answer is no list`);
  }

  /** Does something, or asks for something; the answer is the JSON of its body, or undefined. @throws CliError */
  async ask(method: Method, where: string, { body, headers = {}, timeoutMs }: ApiRequest = {}): Promise<unknown> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const { status, content } = await this.#send(method, where, text, headers, timeoutMs);
    if (status >= 300) throw this.#refusal(status, content);
    return content === '' ? undefined : parsed(content);
  }

  async #send(
    method: Method,
    where: string,
    body: string | undefined,
    headers: Readonly<Record<string, string>>,
    timeoutMs = this.#connection.timeout,
  ): Promise<{ readonly status: number; readonly content: string }> {
    const timeout = timeoutMs === 0 ? undefined : AbortSignal.timeout(timeoutMs);
    const signal = timeout === undefined ? this.#interrupted : AbortSignal.any([this.#interrupted, timeout]);
    try {
      return await exchange({ ...this.#requestOptions(method, where, headers, body), signal }, body);
    } catch (error) {
      if (this.#interrupted.aborted) throw this.#interrupted.reason;
      if (timeout?.aborted === true) {
        throw new CliError('timeout', `The node at ${this.#base.host} did not answer in time`);
      }
      if (error instanceof CliError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw noNode(this.#base.origin, new CliError('connect-failed', reason, undefined, error));
    }
  }

  #requestOptions(
    method: Method,
    where: string,
    headers: Readonly<Record<string, string>>,
    body: string | undefined,
  ): RequestOptions & { readonly rejectUnauthorized?: boolean } {
    const { insecure, ...tls } = tlsOptions(this.#connection) ?? {};
    const content =
      body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
    return {
      protocol: this.#base.protocol,
      // Brackets belong to the text of the address alone.
      hostname: this.#base.hostname.replace(/^\[|\]$/g, ''),
      port: this.#base.port,
      method,
      path: `/api${where}`,
      headers: { ...this.#authorization(), ...content, ...headers },
      ...tls,
      ...(insecure === true ? { rejectUnauthorized: false } : {}),
    };
  }

  #authorization(): Readonly<Record<string, string>> {
    const { token, user, password } = this.#connection;
    if (token !== undefined) return { authorization: `Bearer ${token}` };
    if (user === undefined && !isLoopback(this.#base.hostname)) return {};
    const login = user === undefined ? `${FIRST_USER}:${FIRST_USER}` : `${user}:${password ?? ''}`;
    return { authorization: `Basic ${Buffer.from(login).toString('base64')}` };
  }

  #refusal(status: number, content: string): CliError {
    const answer = parsed(content);
    const fields: Item = typeof answer === 'object' && answer !== null ? (answer as Item) : {};
    const { user, token } = this.#connection;
    const told = fields['reason'] ?? fields['error'];
    const reason = typeof told === 'string' ? told : `status ${status}`;
    const hint =
      status === 401 && user === undefined && token === undefined
        ? 'Nobody was named: --user, DUOLOG_USER or `duolog context add` say whom to log in as.'
        : undefined;
    return new CliError(CODES.get(status) ?? 'failed', reason, hint);
  }
}

/** What statuses mean to a script. */
const CODES: ReadonlyMap<number, CliErrorCode> = new Map([
  [400, 'invalid-request'],
  [401, 'refused'],
  [403, 'refused'],
  [404, 'not-found'],
  [409, 'wrong-kind'],
]);

function isLoopback(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '');
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return content;
  }
}

function exchange(
  options: RequestOptions,
  body: string | undefined,
): Promise<{ readonly status: number; readonly content: string }> {
  return new Promise((resolve, reject) => {
    const send = options.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(options, (response) => {
      textOf(response).then((content) => resolve({ status: response.statusCode ?? 0, content }), reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    const bytes = chunk as Buffer;
    length += bytes.length;
    if (length > ANSWER_MAX_BYTES) throw new CliError('failed', 'Cannot read the answer of the node: it is too long');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
