/** One operation of the API: what it is called by, who may, what its body must be, and what it does. The route table and the OpenAPI description come from these. */
import type { ZodType } from 'zod';
import type { Actor } from '../../broker/access/requests.js';
import type { Principal } from '../../broker/access.js';
import type { Json, JsonObject } from './json.js';
import type { ManagementPorts } from './ports.js';

/** Methods that do something. HEAD is answered like GET, OPTIONS by the door itself. */
export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

/**
 * Who may: anybody; any user with a tag of management; one who sees monitoring; a policy maker, in the virtual host of the path or at all; an
 * administrator; one who may enter the virtual host of the path, or sees it as a monitor; whoever owns the object, which the operation looks at itself.
 */
export type Need =
  | 'nobody'
  | 'management'
  | 'monitoring'
  | 'policymaker'
  | 'global-policymaker'
  | 'administrator'
  | 'vhost'
  | 'vhost-visible'
  | 'owner';

/** One request that was let in. */
export interface Call<Body = unknown> {
  readonly ports: ManagementPorts;
  readonly principal: Principal;
  readonly actor: Actor;
  readonly query: URLSearchParams;
  readonly body: Body;
  /** A decoded part of the path; `amq.default` has become the empty name where it names an exchange. @throws BugError for one that the path does not have. */
  param(name: string): string;
  /** The virtual host of the path, or that of the header `X-Vhost`; undefined without either. */
  readonly vhost: string | undefined;
  header(lowerCaseName: string): string;
}

/** What an operation answers; a list's text is passed on as it is. */
export type Answer =
  | { readonly status: 200; readonly json: Json; readonly headers?: readonly (readonly [string, string])[] }
  | { readonly status: 200; readonly text: string; readonly headers?: readonly (readonly [string, string])[] }
  | { readonly status: 201; readonly location?: string }
  | { readonly status: 204 }
  /** A health check that failed. */
  | { readonly status: 503; readonly json: JsonObject };

/** See the top of this file. */
export interface Endpoint {
  readonly method: Method;
  /** Parts with a colon stand for any text. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly needs: Need;
  /** What the body must be; absent = none is read. */
  readonly body?: ZodType;
  /** Whether the body may be as long as a file of definitions. */
  readonly isLarge?: boolean;
  /** Whether the answer is a list that can be sorted, cut and filtered. */
  readonly isList?: boolean;
  /** Statuses that are answered when all is well. */
  readonly statuses: readonly number[];
  readonly handle: (call: Call) => Answer | Promise<Answer>;
}

type Without<Name extends keyof Endpoint> = Omit<Endpoint, Name>;

/** An operation without a body. */
export function endpoint(definition: Without<'body'>): Endpoint {
  return definition;
}

/** An operation whose body is checked by a schema. */
export function endpointWithBody<Body>(
  definition: Without<'body' | 'handle'> & {
    readonly body: ZodType<Body>;
    readonly handle: (call: Call<Body>) => Answer | Promise<Answer>;
  },
): Endpoint {
  // The door gives `handle` what the schema has made of the body, and nothing else.
  return { ...definition, handle: definition.handle as (call: Call) => Answer | Promise<Answer> };
}

/** An answer with a value. */
export function json(value: Json): Answer {
  return { status: 200, json: value };
}

/** The answer of what was made, or was there before. */
export function stored(isNew: boolean): Answer {
  return isNew ? { status: 201 } : { status: 204 };
}

/** The answer without anything to tell. */
export const DONE: Answer = { status: 204 };
