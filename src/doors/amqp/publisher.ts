import { BrokerError } from '../../broker/errors.js';
import type { RoutedMessage } from '../../broker/model.js';
import type { PublishListener } from '../../broker/ports.js';
import { carbonCopies, withoutBcc } from '../../broker/routing/carbon-copies.js';
import { encodeProperties, readProperties } from '../../record/amqp/properties.js';
import type { Confirms } from './confirms.js';
import type { Content, PropertyFacts } from './content.js';
import { isReplyAddress } from './direct-reply.js';
import { AmqpError, asAmqpError, notFound, resourceText } from './errors.js';
import { beginMethod, endFrame, writeContent, writeShort } from './frame-writer.js';
import { Method } from './methods.js';
import { type ChannelScope, checkAccess, topicRefused } from './scope.js';
import type { TransactionPublish } from './transaction-port.js';
import type { Transactions } from './transactions.js';

const PUBLISH = Method.basicPublish;
const NO_ROUTE = 312;
const EMPTY = new Uint8Array(0);
/** A term ends before this column, or Erlang breaks the line. */
const ERLANG_LINE = 79;

/** Outcomes of publishes without confirms: nobody is told. */
const nobody: PublishListener = { published: () => {}, publishFailed: () => {} };

interface Mutable {
  exchange: string;
  routingKey: string;
  properties: Uint8Array;
  body: Uint8Array;
  persistent: boolean;
}

/** basic.publish of one channel, its confirms and its returns. */
export class Publisher implements PublishListener {
  /** Messages that this channel has published, and of them those that were confirmed. */
  publishCount = 0;
  confirmCount = 0;
  /** Set by confirm.select. */
  confirms: Confirms | undefined;
  /** Set by tx.select. */
  transactions: Transactions | undefined;
  /** Where this channel's own replies come to; replaces the pseudo-queue's name in reply-to. */
  replyAddress: string | undefined;
  private readonly scope: ChannelScope;
  private readonly message: Mutable = {
    exchange: '',
    routingKey: '',
    properties: EMPTY,
    body: EMPTY,
    persistent: false,
  };
  private allowedExchange: string | undefined;
  /** The authorizer's when it allowed that. */
  private allowedVersion = -1;
  /** Which routing keys are allowed there; undefined = all. */
  private topicGuard: ((routingKey: string) => boolean) | undefined;

  constructor(scope: ChannelScope) {
    this.scope = scope;
  }

  /** A whole content has come. @throws AmqpError. */
  publish(content: Content): void {
    const { scope, message } = this;
    const { counters } = scope.context;
    counters.publishes++;
    scope.figures.published++;
    if (this.publishCount++ === 0) counters.publishers++;
    counters.publishedBytes += content.body.length;
    const { facts } = content;
    this.check(content, facts);
    message.exchange = content.exchange;
    message.routingKey = content.routingKey;
    message.properties = facts.asksForReplies ? withReplyAddress(facts.bytes, this.replyAddress) : facts.bytes;
    message.body = content.body;
    message.persistent = facts.persistent;
    // Replies are no part of a transaction, as in RabbitMQ.
    const isReply = message.exchange === '' && isReplyAddress(message.routingKey);
    if (isReply) this.reply(message, content.mandatory);
    else if (this.transactions !== undefined) this.publishLater(this.transactions, content.mandatory);
    else this.publishNow(message, content.mandatory);
    message.body = EMPTY;
  }

  private check(content: Content, facts: PropertyFacts): void {
    if (content.immediate) throw new AmqpError('not-implemented', 'immediate=true', PUBLISH);
    const { access } = this.scope.context.ports;
    if (content.exchange !== this.allowedExchange || access.version !== this.allowedVersion) {
      this.askFor(content.exchange);
    }
    if (this.topicGuard !== undefined) this.checkTopics(this.topicGuard, content, facts);
    if (facts.badExpiration === undefined && facts.userId === undefined && !facts.asksForReplies) return;
    // In the order in which RabbitMQ looks: what it finds first is what it tells.
    this.checkExchange(content.exchange);
    if (facts.asksForReplies && this.replyAddress === undefined) {
      throw new AmqpError('precondition-failed', 'fast reply consumer does not exist', PUBLISH);
    }
    if (facts.userId !== undefined) this.checkUser(facts.userId);
    if (facts.badExpiration !== undefined) {
      throw new AmqpError('precondition-failed', invalidExpiration(facts.badExpiration), PUBLISH);
    }
  }

  private askFor(exchange: string): void {
    const { context, session } = this.scope;
    const { access, broker } = context.ports;
    this.allowedExchange = undefined;
    checkAccess(this.scope, 'write', 'exchange', exchange, PUBLISH);
    const { principal } = session.access;
    this.topicGuard = access.topicGuard(principal, session.vhost, exchange, 'write');
    if (this.topicGuard !== undefined && broker.exchange(session.vhost, exchange)?.routesAs !== 'topic') {
      // Another exchange of that name may be a topic exchange: nothing is remembered.
      this.topicGuard = undefined;
      return;
    }
    this.allowedExchange = exchange;
    this.allowedVersion = access.version;
  }

  /** The routing keys of a message to a topic exchange that restricts them: its own, and those of CC and BCC. */
  private checkTopics(allows: (routingKey: string) => boolean, content: Content, facts: PropertyFacts): void {
    this.checkExchange(content.exchange);
    for (const key of [content.routingKey, ...(checkedCopies(facts.bytes) ?? [])]) {
      if (!allows(key)) throw topicRefused(this.scope, 'write', content.exchange, key, PUBLISH);
    }
  }

  private checkExchange(exchange: string): void {
    if (exchange === '') return;
    const { vhost } = this.scope.session;
    const found = this.scope.context.ports.broker.exchange(vhost, exchange);
    if (found === undefined) throw notFound('exchange', exchange, vhost, PUBLISH);
    if (found.internal) throw internalExchange(exchange, vhost);
  }

  private checkUser(userId: string): void {
    const { principal } = this.scope.session.access;
    if (userId === principal.user || principal.tags.includes('impersonator')) return;
    const text = `user_id property set to '${userId}' but authenticated user was '${principal.user}'`;
    throw new AmqpError('precondition-failed', text, PUBLISH);
  }

  /** The authorizer may have changed its mind. */
  forgetAccess(): void {
    this.allowedExchange = undefined;
  }

  private publishLater(transactions: Transactions, mandatory: boolean): void {
    this.checkExchange(this.message.exchange);
    checkedCopies(this.message.properties);
    transactions.publish(this.message, mandatory);
  }

  private publishNow(message: RoutedMessage, mandatory: boolean): void {
    const { confirms } = this;
    const outcomes = this.route(
      message,
      confirms === undefined ? 0 : confirms.next,
      confirms === undefined ? nobody : this,
    );
    if (outcomes === 0) this.unroutable(message, mandatory);
    if (confirms === undefined) return;
    if (outcomes >= 0) confirms.add(outcomes);
    else confirms.settle(confirms.add(1), false);
    if (outcomes <= 0) this.scope.mark();
  }

  /** Returns the number of outcomes to come; -1 = the message was refused. @throws AmqpError. */
  private route(message: RoutedMessage, token: number, listener: PublishListener): number {
    const { vhost } = this.scope.session;
    try {
      return this.scope.context.ports.broker.publishRouted(vhost, message, token, listener);
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      if (thrown.code === 'not-found') throw notFound('exchange', message.exchange, vhost, PUBLISH);
      if (thrown.code === 'access-refused') throw internalExchange(message.exchange, vhost);
      if (thrown.code === 'queue-full') return -1;
      throw asAmqpError(thrown, PUBLISH);
    }
  }

  private reply(message: RoutedMessage, mandatory: boolean): void {
    const isSent = this.scope.context.replies.send(message.routingKey, message.properties, message.body);
    if (!isSent) this.unroutable(message, mandatory);
    if (this.confirms === undefined) return;
    this.confirms.add(0);
    this.scope.mark();
  }

  private unroutable(message: TransactionPublish, mandatory: boolean): void {
    if (mandatory) this.giveBack(message);
    else this.scope.context.counters.unroutable++;
  }

  /** basic.return. */
  giveBack(message: TransactionPublish): void {
    const { scope } = this;
    scope.context.counters.returns++;
    const writer = scope.outbox.open();
    const frame = beginMethod(writer, scope.id, Method.basicReturn);
    writer.u16(NO_ROUTE);
    writeShort(writer, 'NO_ROUTE');
    writeShort(writer, message.exchange);
    writeShort(writer, message.routingKey);
    endFrame(writer, frame);
    // What nobody else may see goes back neither, as in RabbitMQ.
    writeContent(writer, scope.id, withoutBcc(message.properties), message.body, scope.session.frameMaxBytes);
  }

  published(token: number): void {
    this.settle(token, true);
  }

  publishFailed(token: number): void {
    this.settle(token, false);
  }

  private settle(token: number, isGood: boolean): void {
    if (!this.scope.isOpen) return;
    this.confirms?.settle(token, isGood);
    this.scope.mark();
  }

  /** Writes the acks and nacks of this turn. */
  flushConfirms(): void {
    const { confirms, scope } = this;
    if (confirms === undefined || !confirms.isDue) return;
    const counts = { acks: 0, nacks: 0 };
    confirms.write(scope.outbox.open(), scope.id, counts);
    scope.context.counters.confirms += counts.acks;
    this.confirmCount += counts.acks;
    scope.context.counters.nacks += counts.nacks;
  }
}

function internalExchange(exchange: string, vhost: string): AmqpError {
  return new AmqpError(
    'access-refused',
    `cannot publish to internal ${resourceText('exchange', exchange, vhost)}`,
    PUBLISH,
  );
}

function withReplyAddress(properties: Uint8Array, replyTo = ''): Uint8Array {
  return encodeProperties({ ...readProperties(properties), replyTo });
}

/** @throws AmqpError `precondition-failed` when CC or BCC is no array: a transaction is told of that at once. */
function checkedCopies(properties: Uint8Array): readonly string[] | undefined {
  try {
    return carbonCopies(properties);
  } catch (thrown) {
    throw asAmqpError(thrown, PUBLISH);
  }
}

function invalidExpiration(text: string): string {
  const start = `invalid expiration '${text}': `;
  const fault = expirationFault(text);
  // Erlang breaks a line that grows too long, behind the first element of the tuple.
  if (start.length + fault.length < ERLANG_LINE) return start + fault;
  return start + fault.replace(',', `,\n${' '.repeat(start.length + 1)}`);
}

/** What RabbitMQ finds wrong with an expiration, in its words. */
function expirationFault(text: string): string {
  const digits = /^[+-]?\d+/.exec(text)?.[0];
  if (digits === undefined) return 'no_integer';
  if (digits.length < text.length) return `{leftover_string,"${text.slice(digits.length)}"}`;
  const value = Number(digits);
  return value < 0 ? `{value_negative,${digits}}` : `{value_too_large,${digits}}`;
}
