/** What a connection knows of its client, and where it is between its first byte and its last. */
import type { Principal } from '../../broker/access.js';
import { textOf } from '../../record/amqp/field-table.js';
import type { Command } from './commands.js';
import { hasCapability } from './handshake.js';
import { MAX_SHOWN_NAME_CHARACTERS } from './limits.js';

/** What start-ok has told. */
export interface Client {
  /** What the client calls its connection; empty = nothing. */
  readonly name: string;
  readonly mechanism: string;
  readonly authenticationFailureClose: boolean;
  readonly blocked: boolean;
  readonly cancelNotify: boolean;
}

/** A connection whose limits are agreed on. */
export interface Tuned {
  readonly client: Client;
  readonly principal: Principal;
  readonly frameMaxBytes: number;
  readonly channelMax: number;
}

/** Where a connection is. */
export type State =
  | { readonly name: 'header'; seen: number }
  | { readonly name: 'starting' }
  | { readonly name: 'securing'; readonly client: Client }
  | { readonly name: 'tuning'; readonly client: Client; readonly principal: Principal }
  | ({ readonly name: 'opening' } & Tuned)
  | ({ readonly name: 'running' } & Tuned)
  /** The node has sent close, and waits for the answer. */
  | { readonly name: 'closing' }
  /** The client has sent close; what is its own alone is being deleted. */
  | { readonly name: 'leaving' }
  | { readonly name: 'closed' };

/** Who is at the other end of a socket. */
export interface AmqpPeer {
  readonly remoteAddress: string;
  /** The user that its verified certificate stands for. */
  readonly certificate: string | undefined;
}

/** What a start-ok tells of its client. */
export function clientOf({ properties, mechanism }: Command & { kind: 'start-ok' }): Client {
  return {
    name: (textOf(properties.get('connection_name')) ?? '').slice(0, MAX_SHOWN_NAME_CHARACTERS),
    mechanism,
    authenticationFailureClose: hasCapability(properties, 'authentication_failure_close'),
    blocked: hasCapability(properties, 'connection.blocked'),
    cancelNotify: hasCapability(properties, 'consumer_cancel_notify'),
  };
}

/** The client's own name for its connection, and where it is. */
export function shownName({ name }: Client, remoteAddress: string, remotePort: number | undefined): string {
  const address = remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress;
  const where = remotePort === undefined ? remoteAddress : `${address}:${remotePort}`;
  return name === '' ? where : `${name} at ${where}`;
}
