/** The management API of a running node, for tests. */
import { endpoints } from '../../dist/doors/management/endpoints.js';
import { TestNode } from '../amqp/fixtures/node.js';

/** An answer: its status, and its body where there is one. */
export interface ApiAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
  readonly headers: Headers;
}

/** Somebody who asks. */
export interface ApiUser {
  readonly name: string;
  readonly password: string;
}

const GUEST: ApiUser = { name: 'guest', password: 'guest' };

/** Asks one node. Paths begin behind `/api`. */
export class Api {
  readonly node: TestNode;

  constructor(node: TestNode) {
    this.node = node;
  }

  /** A request as guest, or as somebody else; `undefined` shows no credentials. A body that is no text is sent as JSON. */
  async ask(
    method: string,
    path: string,
    body?: unknown,
    options: { readonly user?: ApiUser | undefined; readonly headers?: Readonly<Record<string, string>> } = {
      user: GUEST,
    },
  ): Promise<ApiAnswer> {
    const { user } = 'user' in options ? options : { user: GUEST };
    const authorization = user && `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`;
    const response = await fetch(`http://127.0.0.1:${this.node.running.port}/api${path}`, {
      method,
      headers: { ...(authorization === undefined ? {} : { authorization }), ...options.headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text), headers: response.headers };
  }

  async get(path: string): Promise<ApiAnswer['body']> {
    return (await this.ask('GET', path)).body;
  }

  /** The status alone. */
  async status(method: string, path: string, body?: unknown): Promise<number> {
    return (await this.ask(method, path, body)).status;
  }

  /** Makes a user with tags, who may enter virtual hosts. */
  async user(name: string, tags: string, vhosts: readonly string[] = []): Promise<ApiUser> {
    const user = { name, password: `${name}'s password` };
    await this.ask('PUT', `/users/${name}`, { password: user.password, tags });
    for (const vhost of vhosts) {
      const all = { configure: '.*', write: '.*', read: '.*' };
      await this.ask('PUT', `/permissions/${encodeURIComponent(vhost)}/${name}`, all);
    }
    return user;
  }
}

/** A node with its API. */
export async function startApi(): Promise<Api> {
  return new Api(await TestNode.start());
}

/** All operations of the API. */
export const operations = endpoints;

/** The path of an operation with a text in place of each of its parts. */
export function pathOf(path: string, parts: Readonly<Record<string, string>>): string {
  return path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(parts[name] ?? `no-${name}`));
}
