/**
 * A session and the authorizer: its place in the virtual host, and what each of its commands needs (docs/design/access.md, "Who is asked what").
 */

import { unreachable } from '../../base/assert.js';
import type {
  AccessAction,
  AccessControl,
  AccessKind,
  Credentials,
  LiveSession,
  Principal,
  SessionEnd,
} from '../../broker/access.js';
import { BrokerError } from '../../broker/errors.js';
import { DEFAULT_VHOST } from '../../broker/model.js';
import type { Broker, RoutingBroker, TopicEntry } from '../../broker/ports.js';
import { carbonCopies } from '../../broker/routing/carbon-copies.js';
import { decodeTable, textOf } from '../../record/amqp/field-table.js';
import type {
  BindCommand,
  Command,
  DeclareCommand,
  DeclareExchangeCommand,
  HelloCommand,
  PublishRoutedCommand,
} from './commands.js';

const NO_ARGUMENTS = new Uint8Array(0);

/** What the authorizer may do to a session. */
export interface AccessHost {
  /** Closes it; the text is for the peer. */
  endByAccess(text: string): void;
  /** Permissions have changed: subscriptions are looked at again. */
  recheckAccess(): void;
}

/** See the top of this file. */
export class SessionAccess implements LiveSession {
  readonly vhost: string;
  private current: Principal;
  private readonly host: AccessHost;
  private readonly access: AccessControl;
  private readonly broker: Broker & RoutingBroker;
  private leaveStore: () => void = () => {};
  /** What was published to last, and may be again as long as the authorizer's version stays. */
  private allowed: string | undefined;
  private allowedVhost = '';
  private allowedIsExchange = false;
  private allowedVersion = -1;
  private topicGuard: ((routingKey: string) => boolean) | undefined;

  constructor(
    host: AccessHost,
    ports: { readonly access: AccessControl; readonly broker: Broker & RoutingBroker },
    principal: Principal,
    vhost: string,
  ) {
    this.host = host;
    this.access = ports.access;
    this.broker = ports.broker;
    this.current = principal;
    this.vhost = vhost;
  }

  get principal(): Principal {
    return this.current;
  }

  /**
   * Another token of the same user takes the place of the session's.
   * @throws BrokerError as rejection: `access-refused` when it does not count; then the one before stays.
   */
  async renew(token: string, remoteAddress: string): Promise<void> {
    const { user, kind, clientId } = this.current;
    if (kind !== 'token') throw new BrokerError('access-refused', 'Cannot renew the token: the session has none');
    const client = clientId === undefined ? {} : { clientId };
    const said = { mechanism: 'native', user: '', password: '', token, door: 'native', ...client } as const;
    // An empty one would be no token at all.
    const verdict = await this.access.authenticate({ ...said, token: token === '' ? '-' : token }, remoteAddress);
    if (!verdict.accepted) throw new BrokerError('access-refused', `Cannot renew the token: ${verdict.reason}`);
    if (verdict.principal.user !== user) {
      throw new BrokerError('access-refused', `Cannot renew the token: it is not one of user '${user}'`);
    }
    this.current = verdict.principal;
    this.allowed = undefined;
  }

  /** Takes a place in the virtual host; returns why there is none. */
  enter(): string | undefined {
    const { principal, vhost, access } = this;
    if (!access.mayEnter(principal, vhost)) return `access to vhost '${vhost}' refused for user '${principal.user}'`;
    const admission = access.enter(this);
    if (!admission.admitted) return admission.reason;
    this.leaveStore = () => admission.leave();
    return undefined;
  }

  /** The session has ended. */
  leave(): void {
    this.leaveStore();
  }

  end(_why: SessionEnd, text: string): void {
    this.host.endByAccess(text);
  }

  recheck(): void {
    this.host.recheckAccess();
  }

  /** Whether a topic or queue may be told of. */
  isVisible({ name, vhost = DEFAULT_VHOST, settings }: TopicEntry): boolean {
    return this.access.mayKnow(this.principal, vhost, settings.kind, name);
  }

  /** @throws BrokerError `access-refused` unless messages of a topic or queue may be read. */
  checkRead({ name, vhost = DEFAULT_VHOST, settings }: TopicEntry): void {
    this.require('read', settings.kind, vhost, name);
  }

  /** @throws BrokerError `access-refused` unless the principal may publish to the topic or queue; costs one comparison when it is the last one again. */
  checkPublish(to: string, vhost: string): void {
    if (this.isAllowed(to, vhost, false)) return;
    this.require('write', this.kindOf(to, vhost), vhost, to);
    this.allow(to, vhost, false, undefined);
  }

  /** As `checkPublish`, for an exchange and the routing keys of messages. */
  checkRouted({ exchange, vhost, messages }: PublishRoutedCommand): void {
    if (!this.isAllowed(exchange, vhost, true)) {
      this.require('write', 'exchange', vhost, exchange);
      const guard = this.access.topicGuard(this.principal, vhost, exchange, 'write');
      const isTopic = guard !== undefined && this.broker.exchange(vhost, exchange)?.routesAs === 'topic';
      this.allow(exchange, vhost, true, isTopic ? guard : undefined);
      // Another exchange of that name may be a topic exchange: nothing is remembered.
      if (guard !== undefined && !isTopic) this.allowed = undefined;
    }
    const { topicGuard } = this;
    if (topicGuard === undefined) return;
    for (const { routingKey, properties } of messages) {
      for (const key of [routingKey, ...(carbonCopies(properties) ?? [])]) {
        if (!topicGuard(key)) throw this.refusedTopic('write', exchange, vhost, key);
      }
    }
  }

  private isAllowed(to: string, vhost: string, isExchange: boolean): boolean {
    return (
      to === this.allowed &&
      this.access.version === this.allowedVersion &&
      isExchange === this.allowedIsExchange &&
      vhost === this.allowedVhost
    );
  }

  private allow(
    to: string,
    vhost: string,
    isExchange: boolean,
    guard: ((routingKey: string) => boolean) | undefined,
  ): void {
    this.allowed = to;
    this.allowedVhost = vhost;
    this.allowedIsExchange = isExchange;
    this.allowedVersion = this.access.version;
    this.topicGuard = guard;
  }

  /** @throws BrokerError `access-refused` unless the principal may have the command carried out. */
  check(command: Command): void {
    switch (command.kind) {
      case 'subscribe-queue':
      case 'subscribe-topic':
      case 'subscribe-broadcast':
      case 'fetch':
      case 'list-offsets':
      case 'commit-offsets':
      case 'fetch-offsets':
      case 'get':
        return this.require('read', this.kindOf(command.from, command.vhost), command.vhost, command.from);
      case 'purge':
        return this.require('read', this.kindOf(command.name, command.vhost), command.vhost, command.name);
      case 'delete':
        return this.require('configure', this.kindOf(command.name, command.vhost), command.vhost, command.name);
      case 'describe':
        return this.requireAny(this.kindOf(command.name, command.vhost), command.vhost, command.name);
      case 'declare':
        return this.checkDeclare(command);
      case 'declare-exchange':
        return this.checkDeclareExchange(command);
      case 'delete-exchange':
        return this.require('configure', 'exchange', command.vhost, command.name);
      case 'bind':
      case 'unbind':
        return this.checkBind(command);
      case 'explain-route':
        return this.requireAny('exchange', command.vhost, command.exchange);
      case 'list':
      case 'list-exchanges':
      case 'list-bindings':
        return this.requireEntry(command.vhost);
      case 'list-unacked':
        return this.requireAny(this.kindOf(command.name, command.vhost), command.vhost, command.name);
      case 'count-delayed':
        if (command.exchange === undefined) return this.requireEntry(command.vhost);
        return this.requireAny('exchange', command.vhost, command.exchange);
      case 'cancel-delayed':
        return this.require('write', 'exchange', command.vhost, command.exchange);
      case 'transact':
        for (const publish of command.publishes) this.checkRouted({ ...publish, vhost: command.vhost });
        return;
      case 'hello':
      case 'publish':
      case 'publish-routed':
      case 'unsubscribe':
      case 'credit':
      case 'settle':
      case 'seek':
      case 'init-producer':
      case 'ping':
      case 'renew-token':
      case 'status':
        // Publishes are checked with their destinations; the others are the session's own.
        return;
      default:
        // A new command must say here what it needs.
        unreachable(command);
    }
  }

  private checkDeclare({ declaration, model }: DeclareCommand): void {
    const { name, vhost = DEFAULT_VHOST, passive, settings } = declaration;
    // A name that the node gives is nobody else's: RabbitMQ asks for it all the same, and it is known only then.
    const asked = name === '' ? 'amq.gen-' : name;
    if (passive) return this.requireAny(settings.kind, vhost, asked);
    this.require('configure', settings.kind, vhost, asked);
    const deadLetters = argumentOf(model?.arguments ?? NO_ARGUMENTS, 'x-dead-letter-exchange');
    if (deadLetters === undefined || this.broker.topic(name, vhost)?.settings.kind === 'queue') return;
    this.require('read', 'queue', vhost, asked);
    this.require('write', 'exchange', vhost, deadLetters);
  }

  private checkDeclareExchange({ declaration }: DeclareExchangeCommand): void {
    const { vhost, name, passive } = declaration;
    if (passive) return this.requireAny('exchange', vhost, name);
    this.require('configure', 'exchange', vhost, name);
    const alternate = argumentOf(declaration.arguments, 'alternate-exchange');
    if (alternate === undefined || this.broker.exchange(vhost, name) !== undefined) return;
    this.require('read', 'exchange', vhost, name);
    this.require('write', 'exchange', vhost, alternate);
  }

  private checkBind({ vhost, binding }: BindCommand): void {
    const { source, destination, destinationKind, routingKey } = binding;
    const kind = destinationKind === 'queue' ? this.kindOf(destination, vhost) : 'exchange';
    this.require('write', kind, vhost, destination);
    this.require('read', 'exchange', vhost, source);
    if (this.broker.exchange(vhost, source)?.routesAs !== 'topic') return;
    const guard = this.access.topicGuard(this.principal, vhost, source, 'read');
    if (guard !== undefined && !guard(routingKey)) throw this.refusedTopic('read', source, vhost, routingKey);
  }

  private kindOf(name: string, vhost: string): 'topic' | 'queue' {
    return this.broker.topic(name, vhost)?.settings.kind ?? 'topic';
  }

  private require(action: AccessAction, kind: AccessKind, vhost: string, name: string): void {
    if (this.access.may(this.principal, vhost, action, kind, name)) return;
    const called = kind === 'exchange' && name === '' ? 'amq.default' : name;
    const text = `${action} access to ${kind} '${called}' in vhost '${vhost}' refused for user '${this.principal.user}'`;
    throw new BrokerError('access-refused', text);
  }

  private requireAny(kind: AccessKind, vhost: string, name: string): void {
    if (!this.access.mayKnow(this.principal, vhost, kind, name)) this.require('read', kind, vhost, name);
  }

  private requireEntry(vhost: string): void {
    if (vhost === this.vhost || this.access.mayEnter(this.principal, vhost)) return;
    const text = `access to vhost '${vhost}' refused for user '${this.principal.user}'`;
    throw new BrokerError('access-refused', text);
  }

  private refusedTopic(action: 'write' | 'read', exchange: string, vhost: string, routingKey: string): BrokerError {
    const where = `topic '${routingKey}' in exchange topic '${exchange}' in vhost '${vhost}'`;
    return new BrokerError('access-refused', `${action} access to ${where} refused for user '${this.principal.user}'`);
  }
}

/** The exchange that an argument names. */
function argumentOf(encoded: Uint8Array, name: string): string | undefined {
  return encoded.length === 0 ? undefined : textOf(decodeTable(encoded).get(name));
}

/** What a Hello says of its sender. A verified certificate counts when there are no other credentials. */
export function credentialsOf(hello: HelloCommand, certificate: string | undefined): Credentials {
  const { user, password, token, clientName } = hello;
  const said = { user, password, door: 'native', ...(clientName === '' ? {} : { clientId: clientName }) } as const;
  if (token !== '') return { mechanism: 'native', ...said, token };
  if (user !== '' || certificate === undefined) return { mechanism: 'native', ...said };
  return { mechanism: 'EXTERNAL', ...said, user: certificate, certificate };
}
