import { unreachable } from '../../base/assert.js';
import { copyOf } from '../../base/copy.js';
import { CodedError } from '../../base/errors.js';
import { readU32 } from '../../base/integers.js';
import { SettleOutcome } from '../../broker/ports.js';
import { isStream } from '../../broker/streams.js';
import { type ChannelReport, newChannelFigures } from './channel-report.js';
import { type Command, type ConsumeCommand, type QueueBindCommand, readCommand } from './commands.js';
import { Confirms } from './confirms.js';
import { Consumers } from './consumers.js';
import { type BodyRoom, Content } from './content.js';
import type { DoorContext } from './context.js';
import { countUp } from './counters.js';
import * as declarations from './declarations.js';
import { REPLY_QUEUE, type ReplyConsumer } from './direct-reply.js';
import { AmqpError, asAmqpError, isSoft, replyCodes, replyText } from './errors.js';
import { beginMethod, endFrame, writeBare, writeContent, writeDeliver, writeShort } from './frame-writer.js';
import type { AmqpChannelFacts } from './inspection.js';
import { FrameType, Method, type MethodId } from './methods.js';
import type { Outbox } from './outbox.js';
import { Polls } from './polls.js';
import { Publisher } from './publisher.js';
import { type ChannelScope, checkAccess, type SessionFacts } from './scope.js';
import { Settlements } from './settlements.js';
import { Transactions } from './transactions.js';

/** What a channel needs of its connection. */
export interface ChannelHost extends BodyRoom {
  readonly context: DoorContext;
  readonly outbox: Outbox;
  readonly session: SessionFacts;
  /** Ends the connection with a hard exception. */
  fail(error: AmqpError): void;
  /** Frames of this size wait, or wait no longer. */
  waiting(bytes: number): void;
  /** Asks for `flushTurn` of the channel at the end of the turn. */
  markChannel(channel: Channel): void;
  /** A message was published: time to look whether the connection should go on reading. */
  published(): void;
  /** The channel has ended; its number is free. */
  forget(channel: Channel): void;
}

/** A frame that came while a change of the channel was under way. */
interface WaitingFrame {
  readonly type: number;
  readonly payload: Uint8Array;
}

interface ReplySetting {
  readonly tag: string;
  readonly tagBytes: Uint8Array;
  readonly address: string;
}

/** `closing`: the node has sent channel.close; everything but the answer is ignored. */
type State = 'open' | 'closing' | 'closed';

/**
 * One channel: frames in, broker calls and frames out. Exceptions are thrown out of `frame`, and the connection hands them to `fail`, unless they come
 * later: then the channel hands them there itself.
 */
export class Channel implements ChannelScope, ReplyConsumer {
  readonly id: number;
  readonly context: DoorContext;
  readonly outbox: Outbox;
  readonly session: SessionFacts;
  readonly settlements: Settlements;
  readonly figures = newChannelFigures();
  /** Set by the connection while the end of the turn is asked for. */
  isMarked = false;
  private readonly host: ChannelHost;
  private readonly content: Content;
  private readonly consumers: Consumers;
  private readonly polls: Polls;
  private readonly publisher: Publisher;
  private transactions: Transactions | undefined;
  private replies: ReplySetting | undefined;
  private state: State = 'open';
  private nextTag = 1;
  private lastQueue = '';
  private holds = 0;
  private waiting: WaitingFrame[] = [];
  private waitingBytes = 0;
  private isDraining = false;

  constructor(host: ChannelHost, id: number) {
    this.host = host;
    this.id = id;
    this.context = host.context;
    this.outbox = host.outbox;
    this.session = host.session;
    this.settlements = new Settlements(host.context.counters, this.figures);
    this.content = new Content(host);
    this.consumers = new Consumers(this);
    this.polls = new Polls(this);
    this.publisher = new Publisher(this);
    this.context.counters.channels++;
    this.context.counters.channelsOpened++;
  }

  /** What operators are told. */
  describe(withConsumers: boolean): AmqpChannelFacts {
    const { publisher, consumers, transactions } = this;
    const { consumer: prefetch, channel: channelPrefetch } = consumers.prefetches;
    const pending = transactions?.pending ?? { publishes: 0, settles: 0 };
    return {
      number: this.id,
      isConfirming: publisher.confirms !== undefined,
      isTransactional: this.isTransactional,
      consumerCount: consumers.size,
      prefetch,
      channelPrefetch,
      unacknowledged: this.settlements.table.size,
      unconfirmed: publisher.confirms?.waiting ?? 0,
      uncommittedPublishes: pending.publishes,
      uncommittedSettles: pending.settles,
      published: publisher.publishCount,
      confirmed: publisher.confirmCount,
      delivered: this.nextTag - 1,
      consumers: withConsumers ? consumers.describe() : [],
    };
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  get isTransactional(): boolean {
    return this.transactions !== undefined;
  }

  /** What a monitor is told. */
  report(): ChannelReport {
    return {
      ...this.figures,
      vhost: this.session.vhost,
      connection: this.session.shown,
      channel: this.id,
      consumers: this.consumers.size,
      unacknowledged: this.settlements.table.size,
      unconfirmed: this.publisher.confirms?.waiting ?? 0,
    };
  }

  takeTag(): number {
    return this.nextTag++;
  }

  mark(): void {
    this.host.markChannel(this);
  }

  /** The end of the turn. */
  flushTurn(): void {
    if (this.state !== 'open') return;
    this.settlements.flush();
    this.publisher.flushConfirms();
  }

  /** The peer has read everything. */
  drained(): void {
    if (this.state === 'open') this.consumers.balanceAll();
  }

  // ---- Frames ----

  /** Whether body frames may come in parts: those that must wait come whole. */
  get takesParts(): boolean {
    return this.holds === 0 || this.state !== 'open';
  }

  /** A whole frame; borrowed. @throws AmqpError. */
  frame(type: number, bytes: Uint8Array, at: number, end: number): void {
    if (this.state !== 'open') this.frameWhileClosing(type, bytes, at, end);
    else if (this.holds > 0 || this.isDraining) this.keep(type, bytes, at, end);
    else this.take(type, bytes, at, end);
  }

  private take(type: number, bytes: Uint8Array, at: number, end: number): void {
    if (type === FrameType.method) {
      this.method(bytes, at, end);
    } else if (type === FrameType.body) {
      if (this.content.bodyFrame(bytes, at, end)) this.publish();
    } else if (this.content.header(bytes, at, end, this.context.ports.limits.maxMessageBytes)) {
      this.publish();
    }
  }

  /** A piece of a body frame; borrowed. @throws AmqpError. */
  bodyPart(bytes: Uint8Array, at: number, end: number): void {
    if (this.state === 'open') this.content.bodyPart(bytes, at, end);
  }

  /** The pieces of a body frame have ended. @throws AmqpError. */
  bodyEnded(): void {
    if (this.state === 'open' && this.content.isComplete()) this.publish();
  }

  private publish(): void {
    this.publisher.publish(this.content);
    this.host.published();
  }

  private frameWhileClosing(type: number, bytes: Uint8Array, at: number, end: number): void {
    if (type !== FrameType.method || end - at < 4) return;
    const method = readU32(bytes, at);
    if (method === Method.channelCloseOk) this.finish();
    // Both sides closed at once: the peer waits for this answer, and the node goes on waiting for its own.
    else if (method === Method.channelClose) writeBare(this.outbox.open(), this.id, Method.channelCloseOk);
  }

  /** Keeps a frame until the change that is under way is done: it may depend on it. */
  private keep(type: number, bytes: Uint8Array, at: number, end: number): void {
    this.waiting.push({ type, payload: copyOf(bytes.subarray(at, end)) });
    this.waitingBytes += end - at;
    this.host.waiting(end - at);
  }

  hold(): () => void {
    this.holds++;
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      this.holds--;
      this.drain();
    };
  }

  private drain(): void {
    // A release within the method that asked for it must not run frames in the middle of that method.
    if (this.isDraining || this.waiting.length === 0) return;
    this.isDraining = true;
    let next = 0;
    try {
      while (next < this.waiting.length && this.holds === 0 && this.state === 'open') {
        const { type, payload } = this.waiting[next++]!;
        this.released(payload.length);
        this.guard(() => this.take(type, payload, 0, payload.length));
      }
    } finally {
      this.waiting.splice(0, next);
      this.isDraining = false;
    }
    this.settlements.flush();
  }

  private released(bytes: number): void {
    this.waitingBytes -= bytes;
    this.host.waiting(-bytes);
  }

  /** Runs what no frame of this turn has caused; its exceptions go where a frame's would. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      this.raise(asAmqpError(thrown, 0));
    }
  }

  // ---- Methods ----

  private method(bytes: Uint8Array, at: number, end: number): void {
    if (this.content.phase !== 'method') throw this.content.unexpectedMethod();
    if (end - at < 4) throw new AmqpError('frame-error', 'a method frame is too short for a method');
    const method = readU32(bytes, at);
    switch (method) {
      case Method.basicPublish:
        return this.beginPublish(bytes, at + 4, end);
      case Method.basicAck:
        return this.settle(method, bytes, at + 4, end);
      case Method.basicNack:
        return this.settle(method, bytes, at + 4, end);
      case Method.basicReject:
        return this.settle(method, bytes, at + 4, end);
      default:
        // What was acknowledged before must be seen by what comes now.
        this.settlements.flush();
        return this.run(readCommand(method, bytes, at + 4, end), method);
    }
  }

  private beginPublish(bytes: Uint8Array, at: number, end: number): void {
    // Ticket, two short strings, bits.
    const exchangeAt = at + 3;
    const exchangeEnd = exchangeAt + (exchangeAt <= end ? bytes[exchangeAt - 1]! : 0);
    const keyAt = exchangeEnd + 1;
    const keyEnd = keyAt + (keyAt <= end ? bytes[keyAt - 1]! : 0);
    if (keyEnd >= end) throw undecodable(Method.basicPublish);
    const bits = bytes[keyEnd]!;
    const { strings } = this.context;
    const exchange = strings.read(bytes, exchangeAt, exchangeEnd);
    const routingKey = strings.read(bytes, keyAt, keyEnd);
    this.content.begin(exchange, routingKey, (bits & 1) !== 0, (bits & 2) !== 0);
  }

  private settle(method: MethodId, bytes: Uint8Array, at: number, end: number): void {
    if (end - at < 9) throw undecodable(method);
    const tag = readU32(bytes, at) * 0x1_0000_0000 + readU32(bytes, at + 4);
    const bits = bytes[at + 8]!;
    if (method === Method.basicAck) {
      this.settlements.take(tag, (bits & 1) !== 0, SettleOutcome.acknowledge, method);
    } else {
      const isNack = method === Method.basicNack;
      const requeue = (bits & (isNack ? 2 : 1)) !== 0;
      const outcome = requeue ? SettleOutcome.requeue : SettleOutcome.discard;
      this.settlements.take(tag, isNack && (bits & 1) !== 0, outcome, method);
    }
    this.mark();
  }

  private run(command: Command, method: MethodId): void {
    switch (command.kind) {
      case 'channel-open':
        throw new AmqpError('channel-error', "second 'channel.open' seen", method);
      case 'channel-close':
        return this.closedByPeer();
      case 'channel-close-ok':
      case 'flow-ok':
        return;
      case 'flow':
        return this.flow(command.active);
      case 'access-request':
        return this.answer(Method.accessRequestOk, (writer) => writer.u16(1));
      case 'exchange-declare':
      case 'exchange-delete':
      case 'exchange-bind':
      case 'exchange-unbind':
        return this.changeExchange(command, method);
      case 'queue-declare': {
        const work = declarations.declareQueue(this, command);
        return this.wait(work, method, (declared) => this.queueDeclared(declared, command.noWait));
      }
      case 'queue-bind':
      case 'queue-unbind':
        return this.bindQueue(command, method);
      case 'queue-purge': {
        const work = declarations.purgeQueue(this, this.queueName(command.queue, method));
        return this.count(work, method, command.noWait, Method.queuePurgeOk);
      }
      case 'queue-delete': {
        const work = declarations.deleteQueue(this, command, this.queueName(command.queue, method));
        return this.count(work, method, command.noWait, Method.queueDeleteOk);
      }
      case 'qos':
        return this.qos(command.prefetchSize, command.prefetchCount, command.global);
      case 'consume':
        return this.consume(command);
      case 'cancel':
        return this.cancel(command.consumerTag, command.noWait);
      case 'cancel-ok':
        return this.consumers.cancel(command.consumerTag);
      case 'get':
        return this.get(command.queue, command.noAck);
      case 'recover':
        return this.recover(command.requeue, command.isAsync, method);
      case 'confirm-select':
        return this.selectConfirms(command.noWait);
      case 'tx-select':
        return this.selectTransactions();
      case 'tx-commit':
        return this.openTransactions(method).commit((message) => this.publisher.giveBack(message));
      case 'tx-rollback':
        this.openTransactions(method).rollback();
        return writeBare(this.outbox.open(), this.id, Method.txRollbackOk);
      case 'start-ok':
      case 'secure-ok':
      case 'tune-ok':
      case 'open':
      case 'close':
      case 'close-ok':
      case 'update-secret':
        throw new AmqpError('command-invalid', 'methods of the class connection belong on channel 0', method);
      default:
        unreachable(command);
    }
  }

  private changeExchange(command: Extract<Command, { kind: `exchange-${string}` }>, method: MethodId): void {
    const { noWait } = command;
    switch (command.kind) {
      case 'exchange-declare':
        return this.change(declarations.declareExchange(this, command), method, noWait, Method.exchangeDeclareOk);
      case 'exchange-delete': {
        const work = declarations.deleteExchange(this, command.exchange, command.ifUnused);
        return this.change(work, method, noWait, Method.exchangeDeleteOk);
      }
      case 'exchange-bind':
        return this.change(declarations.bindExchange(this, command), method, noWait, Method.exchangeBindOk);
      case 'exchange-unbind':
        return this.change(declarations.bindExchange(this, command), method, noWait, Method.exchangeUnbindOk);
    }
  }

  private answer(method: MethodId, write: (writer: ReturnType<Outbox['open']>) => void): void {
    const writer = this.outbox.open();
    const frame = beginMethod(writer, this.id, method);
    write(writer);
    endFrame(writer, frame);
  }

  /** Runs `done` with what a change brings; later frames wait for it, with no-wait too. */
  private wait<Value>(work: Promise<Value>, method: MethodId, done: (value: Value) => void): void {
    const release = this.hold();
    work.then(
      (value) => {
        if (this.state !== 'open') return;
        this.guard(() => done(value));
        release();
      },
      (thrown: unknown) => {
        if (this.state !== 'open' && thrown instanceof CodedError) return;
        this.raise(asAmqpError(thrown, method));
      },
    );
  }

  private change(work: Promise<void>, method: MethodId, noWait: boolean, ok: MethodId): void {
    this.wait(work, method, () => {
      if (!noWait) writeBare(this.outbox.open(), this.id, ok);
    });
  }

  private count(work: Promise<number>, method: MethodId, noWait: boolean, ok: MethodId): void {
    this.wait(work, method, (messages) => {
      if (!noWait) this.answer(ok, (writer) => writer.u32(messages));
    });
  }

  private flow(active: boolean): void {
    if (!active) throw new AmqpError('not-implemented', 'active=false', Method.channelFlow);
    this.answer(Method.channelFlowOk, (writer) => writer.u8(1));
  }

  private queueDeclared(declared: declarations.DeclaredQueue, noWait: boolean): void {
    this.lastQueue = declared.name;
    if (noWait) return;
    this.answer(Method.queueDeclareOk, (writer) => {
      writeShort(writer, declared.name);
      writer.u32(declared.ready);
      writer.u32(declared.consumers);
    });
  }

  /** An empty name means the queue that the channel declared last. */
  private queueName(name: string, method: MethodId): string {
    if (name !== '') return name;
    if (this.lastQueue === '') throw new AmqpError('not-found', 'no previously declared queue', method);
    return this.lastQueue;
  }

  private bindQueue(command: QueueBindCommand, method: MethodId): void {
    const queue = this.queueName(command.queue, method);
    const routingKey = command.queue === '' && command.routingKey === '' ? queue : command.routingKey;
    const ok = command.kind === 'queue-bind' ? Method.queueBindOk : Method.queueUnbindOk;
    this.change(declarations.bindQueue(this, command, queue, routingKey), method, command.noWait, ok);
  }

  private qos(prefetchSize: number, prefetchCount: number, isGlobal: boolean): void {
    if (prefetchSize !== 0) {
      throw new AmqpError('not-implemented', `prefetch_size!=0 (${prefetchSize})`, Method.basicQos);
    }
    this.consumers.setPrefetch(prefetchCount, isGlobal);
    writeBare(this.outbox.open(), this.id, Method.basicQosOk);
  }

  private consume(command: ConsumeCommand): void {
    const method = Method.basicConsume;
    const { maxConsumersPerChannel } = this.context.ports.limits;
    if (this.consumers.has(command.consumerTag) || this.replies?.tag === command.consumerTag) {
      throw new AmqpError('not-allowed', `attempt to reuse consumer tag '${command.consumerTag}'`, method);
    }
    if (this.consumers.size >= maxConsumersPerChannel) {
      throw new AmqpError(
        'not-allowed',
        `reached maximum (${maxConsumersPerChannel}) of consumers per channel`,
        method,
      );
    }
    const tag = command.consumerTag === '' ? this.context.newName('amq.ctag-') : command.consumerTag;
    if (command.queue === REPLY_QUEUE) {
      this.consumeReplies(tag, command);
      return;
    }
    const name = this.queueName(command.queue, method);
    checkAccess(this, 'read', 'queue', name, method);
    const queue = declarations.usableQueue(this, name, method);
    this.consumers.consume(queue, command, tag, () => this.consuming(tag, command.noWait));
  }

  private consuming(tag: string, noWait: boolean): void {
    if (!noWait) this.answer(Method.basicConsumeOk, (writer) => writeShort(writer, tag));
  }

  private consumeReplies(tag: string, command: ConsumeCommand): void {
    if (!command.noAck) {
      throw new AmqpError('precondition-failed', 'reply consumer cannot acknowledge', Method.basicConsume);
    }
    if (this.replies !== undefined) {
      throw new AmqpError('precondition-failed', 'reply consumer already set', Method.basicConsume);
    }
    const text = new TextEncoder().encode(tag);
    const tagBytes = new Uint8Array([text.length, ...text]);
    const address = this.context.replies.add(this);
    this.replies = { tag, tagBytes, address };
    this.publisher.replyAddress = address;
    this.consuming(tag, command.noWait);
  }

  /** A reply for this channel's own requests. */
  reply(routingKey: string, properties: Uint8Array, body: Uint8Array): void {
    // A peer that does not read loses replies, as one that has gone does.
    if (this.state !== 'open' || this.replies === undefined || this.outbox.isFull) return;
    const writer = this.outbox.open();
    writeDeliver(writer, this.id, this.replies.tagBytes, this.takeTag(), false, '', routingKey);
    writeContent(writer, this.id, properties, body, this.session.frameMaxBytes);
    this.context.counters.deliveries++;
  }

  private endReplies(): void {
    if (this.replies === undefined) return;
    this.context.replies.remove(this.replies.address);
    this.replies = undefined;
    this.publisher.replyAddress = undefined;
  }

  private cancel(tag: string, noWait: boolean): void {
    if (this.replies?.tag === tag) this.endReplies();
    else this.consumers.cancel(tag);
    if (!noWait) this.answer(Method.basicCancelOk, (writer) => writeShort(writer, tag));
  }

  private get(queue: string, noAck: boolean): void {
    const method = Method.basicGet;
    const name = this.queueName(queue, method);
    checkAccess(this, 'read', 'queue', name, method);
    const found = declarations.usableQueue(this, name, method);
    if (isStream(found.settings)) throw declarations.notOfStreams('basic.get', name, this.session.vhost, method);
    this.polls.get(found, noAck);
  }

  private recover(requeue: boolean, isAsync: boolean, method: MethodId): void {
    if (!requeue) throw new AmqpError('not-implemented', 'requeue=false', method);
    this.settlements.requeueAll();
    this.settlements.flush();
    if (!isAsync) writeBare(this.outbox.open(), this.id, Method.basicRecoverOk);
  }

  private selectConfirms(noWait: boolean): void {
    if (this.transactions !== undefined) {
      throw new AmqpError('precondition-failed', 'cannot switch from tx to confirm mode', Method.confirmSelect);
    }
    this.publisher.confirms ??= new Confirms();
    if (!noWait) writeBare(this.outbox.open(), this.id, Method.confirmSelectOk);
  }

  private selectTransactions(): void {
    const port = this.context.ports.transactions;
    if (port === undefined) throw new AmqpError('not-implemented', 'transactions', Method.txSelect);
    if (this.publisher.confirms !== undefined) {
      throw new AmqpError('precondition-failed', 'cannot switch from confirm to tx mode', Method.txSelect);
    }
    this.transactions ??= new Transactions(this, port);
    this.publisher.transactions = this.transactions;
    writeBare(this.outbox.open(), this.id, Method.txSelectOk);
  }

  private openTransactions(method: MethodId): Transactions {
    if (this.transactions !== undefined) return this.transactions;
    throw new AmqpError('precondition-failed', 'channel is not transactional', method);
  }

  /** The principal, or his rights, may have changed. */
  recheckAccess(): void {
    if (this.state !== 'open') return;
    this.publisher.forgetAccess();
    try {
      for (const { queue } of this.consumers.describe()) checkAccess(this, 'read', 'queue', queue, Method.basicConsume);
    } catch (thrown) {
      this.raise(asAmqpError(thrown, Method.basicConsume));
    }
  }

  // ---- The end ----

  raise(error: AmqpError): void {
    if (isSoft(error.code)) this.closeByNode(error);
    else this.host.fail(error);
  }

  /** A channel exception: tells the peer, and ignores what it sends until it has answered. */
  closeByNode(error: AmqpError): void {
    if (this.state !== 'open') return;
    countUp(this.host.context.counters.errors, error.code);
    // What was confirmed before is told before.
    this.flushTurn();
    this.state = 'closing';
    this.release();
    this.answer(Method.channelClose, (writer) => {
      writer.u16(replyCodes[error.code]);
      writeShort(writer, replyText(error.code, error.message));
      writer.u32(error.method);
    });
  }

  private closedByPeer(): void {
    this.flushTurn();
    this.finish();
    writeBare(this.outbox.open(), this.id, Method.channelCloseOk);
  }

  private finish(): void {
    this.close();
    this.host.forget(this);
  }

  /** The connection has ended, or the channel's number is free again. */
  close(): void {
    if (this.state === 'closed') return;
    if (this.state === 'open') this.release();
    this.state = 'closed';
    this.context.counters.channels--;
    if (this.publisher.publishCount > 0) this.context.counters.publishers--;
  }

  /** Gives everything back that the channel holds. */
  private release(): void {
    this.endReplies();
    this.consumers.close();
    this.settlements.close();
    this.content.drop();
    this.waiting = [];
    this.host.waiting(-this.waitingBytes);
    this.waitingBytes = 0;
  }
}

function undecodable(method: MethodId): AmqpError {
  return new AmqpError('frame-error', 'cannot decode the arguments of a method that are too short', method);
}
