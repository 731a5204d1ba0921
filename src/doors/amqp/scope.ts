import type { Principal } from '../../broker/access.js';
import type { ChannelFigures } from './channel-report.js';
import type { DoorContext } from './context.js';
import type { AmqpError } from './errors.js';
import { AmqpError as AmqpException, resourceText } from './errors.js';
import type { MethodId } from './methods.js';
import type { Outbox } from './outbox.js';
import type { Settlements } from './settlements.js';

/** What an open connection has agreed on. */
export interface SessionFacts {
  readonly connection: string;
  /** The connection for people: its client's own name for it, and the client's address. */
  readonly shown: string;
  readonly vhost: string;
  readonly principal: Principal;
  /** Negotiated; 0 = without limit. */
  readonly frameMaxBytes: number;
  /** Whether the client understands basic.cancel from the node. */
  readonly cancelNotify: boolean;
}

/** What the parts of one channel share. */
export interface ChannelScope {
  readonly id: number;
  readonly context: DoorContext;
  readonly outbox: Outbox;
  readonly session: SessionFacts;
  readonly settlements: Settlements;
  readonly figures: ChannelFigures;
  /** False once the channel is closing. */
  readonly isOpen: boolean;
  /** Whether publishes and settlements are gathered for tx.commit. */
  readonly isTransactional: boolean;
  /** The tag of the next delivery. */
  takeTag(): number;
  /** Ends the channel, or the connection, with an exception that no frame has caused. */
  raise(error: AmqpError): void;
  /** Later frames of the channel wait until the function that it returns is called. */
  hold(): () => void;
  /** Asks for the end of the turn. */
  mark(): void;
}

/** A channel for people, as RabbitMQ writes it. */
export function channelName({ id, session }: Pick<ChannelScope, 'id' | 'session'>): string {
  return `${session.shown} (${id})`;
}

/** @throws AmqpError `access-refused` unless the principal may. */
export function checkAccess(
  scope: Pick<ChannelScope, 'context' | 'session'>,
  action: 'configure' | 'write' | 'read',
  kind: 'exchange' | 'queue',
  name: string,
  method: MethodId,
): void {
  const { principal, vhost } = scope.session;
  if (scope.context.ports.access.may(principal, vhost, action, kind, name)) return;
  const text = `${action} access to ${resourceText(kind, name, vhost)} refused for user '${principal.user}'`;
  throw new AmqpException('access-refused', text, method);
}
