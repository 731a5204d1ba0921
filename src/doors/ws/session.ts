import { assert, unreachable } from '../../base/assert.js';
import { copyOf } from '../../base/copy.js';
import { DecodeError } from '../../base/errors.js';
import type { AccessVerdict } from '../../broker/access.js';
import { BrokerError } from '../../broker/errors.js';
import { DEFAULT_VHOST } from '../../broker/model.js';
import type { TopicEntry } from '../../broker/ports.js';
import type { TimerHandle } from '../../io/ports.js';
import * as administration from './administration.js';
import { type AnyPublish, type Command, type HelloCommand, isPublish, type ModelCommand } from './commands.js';
import type { DoorContext, TurnEnd } from './context.js';
import { countUp } from './counters.js';
import { asBrokerError, type CloseName, closeCodes, invalidRequest, ProtocolError } from './errors.js';
import { Fetches } from './fetches.js';
import { FrameReader } from './frames.js';
import * as held from './held-administration.js';
import type { SessionDescription } from './inspection.js';
import { HELLO_VERSION, MAX_WAITING_BYTES, QUEUE_NAME_BYTES } from './limits.js';
import { OrderGate } from './order-gate.js';
import { orderKeys, publishKey } from './order-keys.js';
import { Outbox, type SessionSocket } from './outbox.js';
import type { PendingPublish } from './publish-window.js';
import { Publisher } from './publisher.js';
import type { LiveSession } from './resumable-sessions.js';
import * as routing from './routing-administration.js';
import { type AccessHost, credentialsOf, SessionAccess } from './session-access.js';
import { newSessionId, shardOfSession } from './session-ids.js';
import { Subscriptions } from './subscriptions.js';
import { SessionTransactions } from './transactions.js';
import type { WireAnswer } from './wire-types.js';

/** A frame that came before the authorizer had decided. */
interface EarlyFrame {
  readonly bytes: Uint8Array;
  readonly isText: boolean;
}

const NORMAL_CLOSURE = 1000;
const NO_CLOSE_FRAME = 1006;
const DONE: WireAnswer = { done: {} };

type State =
  | { readonly name: 'awaiting-hello'; readonly timer: TimerHandle }
  /** The authorizer takes its time; what comes meanwhile waits. */
  | { readonly name: 'authenticating'; readonly early: EarlyFrame[]; earlyBytes: number }
  | { readonly name: 'open' }
  | { readonly name: 'closed' };

/**
 * One native connection: frames in, frames out, no socket inside. `receive` never throws on anything that a peer can send; an exception from it
 * is a defect of the node. docs/protocols/native.md describes the conversation.
 */
export class Session implements TurnEnd, LiveSession, AccessHost {
  private readonly context: DoorContext;
  private readonly socket: SessionSocket;
  private readonly remoteAddress: string;
  private readonly certificate: string | undefined;
  private readonly reader: FrameReader;
  private readonly outbox: Outbox;
  private readonly publisher: Publisher;
  private subscriptions: Subscriptions;
  private readonly fetches: Fetches;
  private readonly transactions: SessionTransactions;
  private readonly gate = new OrderGate();
  private id: Uint8Array;
  /** The session's name to the broker, for what is its own alone. */
  private connection: string;
  private readonly who: { readonly connection: string; shown: string };
  /** How long what the session holds outlives its connection, in milliseconds. */
  private resumeWindowMs = 0;
  private user = '';
  /** Whose the session is, for who wants to go on with it. */
  private owner = '';
  /** While the session is open. */
  private access: SessionAccess | undefined;
  private vhost = DEFAULT_VHOST;
  private ownsQueues = false;
  private state: State;
  private requests = 0;
  private waitingBytes = 0;
  private isMarked = false;
  private isPaused = false;
  private isLeaving = false;

  constructor(context: DoorContext, socket: SessionSocket, remoteAddress: string, certificate?: string) {
    this.context = context;
    this.socket = socket;
    this.remoteAddress = remoteAddress;
    this.certificate = certificate;
    const { broker, limits, timers, random } = context.ports;
    const { counters, writers } = context;
    this.reader = new FrameReader(limits);
    this.outbox = new Outbox(socket, limits, counters, () => this.overrun());
    const setting = { broker, limits, counters, writers, markTurn: () => this.markTurn() };
    this.id = newSessionId(random, broker.shard);
    this.connection = `native:${Buffer.from(this.id).toString('hex')}`;
    this.publisher = new Publisher(setting, this.outbox);
    this.who = { connection: this.connection, shown: remoteAddress };
    this.subscriptions = new Subscriptions(context, this.outbox, this.who);
    this.transactions = new SessionTransactions(context.ports.transactions);
    this.fetches = new Fetches(broker, this.outbox, counters, writers);
    const timer = timers.setTimeout(() => this.helloTimedOut(), limits.helloTimeoutMs);
    timer.unref();
    this.state = { name: 'awaiting-hello', timer };
  }

  private setState(state: State): void {
    if (this.state.name === 'awaiting-hello') this.context.ports.timers.clearTimeout(this.state.timer);
    this.state = state;
  }

  /** One whole message from the peer; the bytes are borrowed until the call returns. */
  receive(bytes: Uint8Array, isText: boolean): void {
    const { state } = this;
    if (state.name === 'closed') return;
    this.context.counters.framesIn++;
    this.context.counters.bytesIn += bytes.length;
    if (state.name === 'authenticating') {
      this.keepEarly(state, bytes, isText);
      return;
    }
    this.handle(bytes, isText);
  }

  private handle(bytes: Uint8Array, isText: boolean): void {
    try {
      this.reader.open(bytes, isText);
      this.serve(bytes, isText);
    } catch (thrown) {
      this.refuse(this.reader.id, thrown);
    }
  }

  private keepEarly(state: { early: EarlyFrame[]; earlyBytes: number }, bytes: Uint8Array, isText: boolean): void {
    state.earlyBytes += bytes.length;
    const { limits } = this.context.ports;
    if (state.earlyBytes > MAX_WAITING_BYTES || state.early.length >= limits.maxInflightRequests) {
      this.close('policy', 'Too much was sent before the node had answered the Hello');
      return;
    }
    state.early.push({ bytes: copyOf(bytes), isText });
  }

  private serve(bytes: Uint8Array, isText: boolean): void {
    const { kind, id } = this.reader;
    if (this.state.name === 'awaiting-hello') {
      if (kind !== 'hello') throw new ProtocolError('helloExpected', 'The first frame of a session must be a Hello');
      const command = this.reader.command('hello');
      if (command.kind === 'hello') this.greet(id, command, isText);
      return;
    }
    if (kind === undefined) throw new BrokerError('unsupported', 'The frame has no kind that this node knows');
    if (kind === 'hello') throw new ProtocolError('helloExpected', 'There was a Hello in this session already');
    if (kind === 'publish' || kind === 'publishRouted') {
      this.servePublish(kind, id, bytes, isText);
      return;
    }
    this.place(id, this.reader.command(kind), bytes.length);
  }

  // ---- Hello ----

  private greet(id: number, hello: HelloCommand, isText: boolean): void {
    if (hello.version !== HELLO_VERSION) {
      const message = `This node speaks version ${HELLO_VERSION} of the protocol, not ${hello.version}`;
      throw new ProtocolError('version', message);
    }
    this.outbox.form = isText ? 'text' : 'binary';
    if (!this.context.ports.broker.hasVhost(hello.vhost)) {
      throw new ProtocolError('unauthenticated', `There is no virtual host ${JSON.stringify(hello.vhost)}`);
    }
    if (hello.clientName !== '') this.who.shown = `${hello.clientName} at ${this.remoteAddress}`;
    this.reader.vhost = hello.vhost;
    this.vhost = hello.vhost;
    const verdict = this.context.ports.access.authenticate(credentialsOf(hello, this.certificate), this.remoteAddress);
    if (!(verdict instanceof Promise)) {
      this.judge(id, verdict, hello);
      return;
    }
    this.setState({ name: 'authenticating', early: [], earlyBytes: 0 });
    verdict.then(
      (decided) => this.judgeLate(id, decided, hello),
      () => this.judgeLate(id, { accepted: false, reason: 'The credentials could not be checked' }, hello),
    );
  }

  private judgeLate(id: number, verdict: AccessVerdict, hello: HelloCommand): void {
    const { state } = this;
    if (state.name !== 'authenticating') return;
    this.judge(id, verdict, hello);
    for (const { bytes, isText } of state.early) {
      // A frame of these may end the session.
      if (this.isOpen()) this.handle(bytes, isText);
    }
  }

  private isOpen(): boolean {
    return this.state.name === 'open';
  }

  private judge(id: number, verdict: AccessVerdict, hello: HelloCommand): void {
    if (!verdict.accepted) {
      this.close('unauthenticated', verdict.reason);
      return;
    }
    const { resumeSession } = hello;
    const shard = resumeSession && shardOfSession(resumeSession);
    if (shard !== undefined && shard !== this.context.ports.broker.shard) {
      this.close('elsewhere', `The session is on shard ${shard}: connect again`);
      return;
    }
    const { principal } = verdict;
    const access = new SessionAccess(this, this.context.ports, principal, hello.vhost);
    const refusal = access.enter();
    if (refusal !== undefined) {
      this.close('unauthenticated', refusal);
      return;
    }
    this.access = access;
    this.user = principal.user;
    // Nobody is called so, and what anonymous sessions leave behind is for those like them.
    this.owner = principal.kind === 'anonymous' ? '' : principal.user;
    this.resumeWindowMs = Math.min(hello.resumeWindowMs, this.context.ports.limits.maxResumeWindowMs);
    this.setState({ name: 'open' });
    const subscriptions = resumeSession === undefined ? undefined : this.adopt(resumeSession, hello.received);
    if (this.resumeWindowMs > 0) this.context.resumable.opened(this.id, this);
    const resumed = subscriptions === undefined ? {} : { resumed: true, subscriptions };
    const window = this.resumeWindowMs === 0 ? {} : { resumeWindowMs: this.resumeWindowMs };
    const expiresInMs = this.expiresInMs();
    const expiry = expiresInMs === 0 ? {} : { expiresInMs };
    this.outbox.answer(id, { welcome: { ...this.welcome(), ...resumed, ...window, ...expiry } });
    if (subscriptions !== undefined) this.subscriptions.resume(this.outbox, hello.received);
  }

  /** Goes on with an earlier session's subscriptions. Returns the numbers of those, or undefined when there is no such session. */
  private adopt(id: Uint8Array, received: ReadonlyMap<number, number>): number[] | undefined {
    const content = this.context.resumable.take(id, this.owner, this.vhost, this.outbox.form);
    if (content === undefined) return undefined;
    this.id = content.id;
    this.connection = content.connection;
    this.ownsQueues = content.ownsQueues;
    const { subscriptions } = content;
    assert(subscriptions instanceof Subscriptions, 'What a session leaves behind is its subscriptions');
    this.subscriptions = subscriptions;
    return subscriptions.keep(received);
  }

  private welcome(): NonNullable<WireAnswer['welcome']> {
    const { node, limits } = this.context.ports;
    return {
      version: HELLO_VERSION,
      nodeName: node.name,
      nodeId: node.id,
      nodeVersion: node.version,
      sessionId: this.id,
      limits: {
        maxMessageBytes: limits.maxMessageBytes,
        maxFrameBytes: limits.maxFrameBytes,
        maxInflightPublishes: limits.maxInflightPublishes,
        maxInflightBytes: limits.maxInflightBytes,
        maxInflightRequests: limits.maxInflightRequests,
        maxSubscriptions: limits.maxSubscriptions,
        maxCredit: limits.maxCredit,
        maxFetchBytes: limits.maxFetchBytes,
        idleTimeoutMs: limits.idleTimeoutMs,
      },
    };
  }

  private helloTimedOut(): void {
    const { helloTimeoutMs } = this.context.ports.limits;
    if (this.state.name === 'awaiting-hello') this.close('helloTimeout', `No Hello came within ${helloTimeoutMs} ms`);
  }

  // ---- Requests ----

  private servePublish(kind: 'publish' | 'publishRouted', id: number, bytes: Uint8Array, isText: boolean): void {
    const pending = this.publisher.open(id, bytes.length);
    try {
      const command = this.reader.command(kind);
      if (!isPublish(command)) return;
      if (this.isLeaving) throw new BrokerError('shutting-down', 'The node is shutting down');
      const key = publishKey(command);
      if (this.gate.isBusy(key)) this.publishLater(key, pending, command, bytes, isText);
      else this.publishNow(pending, command);
    } catch (thrown) {
      if (thrown instanceof DecodeError) throw thrown;
      this.publisher.fail(pending, thrown);
    }
  }

  /** The window bounds what waits here; the command's views are of borrowed bytes, so it is decoded again from a copy. */
  private publishLater(
    key: string,
    pending: PendingPublish,
    command: AnyPublish,
    bytes: Uint8Array,
    isText: boolean,
  ): void {
    let kept = command;
    if (!isText) {
      this.reader.open(copyOf(bytes), false);
      const copied = this.reader.command(command.kind === 'publish' ? 'publish' : 'publishRouted');
      if (isPublish(copied)) kept = copied;
    }
    this.gate.wait(key, () => this.publishNow(pending, kept));
  }

  private publishNow(pending: PendingPublish, command: AnyPublish): void {
    try {
      if (command.kind === 'publish') this.access?.checkPublish(command.to, command.vhost);
      else this.access?.checkRouted(command);
    } catch (thrown) {
      this.publisher.fail(pending, thrown);
      return;
    }
    this.publisher.publish(pending, command);
  }

  /** Runs a command now, or once the session's own pending changes that it depends on are done. */
  private place(id: number, command: Command, frameBytes: number): void {
    if (!this.gate.isAnyBusy) {
      this.run(id, command);
      return;
    }
    const keys = orderKeys(command);
    const busy = keys.filter((key) => this.gate.isBusy(key));
    if (busy.length === 0 && command.kind !== 'list') {
      this.run(id, command);
      return;
    }
    const finished = this.takeRequest();
    this.waitingBytes += frameBytes;
    if (this.waitingBytes > MAX_WAITING_BYTES) {
      throw new ProtocolError('policy', `More than ${MAX_WAITING_BYTES} bytes of requests wait for earlier ones`);
    }
    this.gate.enter(keys, command.kind === 'list', () => {
      this.waitingBytes -= frameBytes;
      finished();
      this.runLater(id, command);
    });
  }

  private runLater(id: number, command: Command): void {
    if (this.state.name !== 'open') return;
    try {
      this.run(id, command);
    } catch (thrown) {
      this.refuse(id, thrown);
    }
  }

  private run(id: number, command: Command): void {
    this.access?.check(command);
    const { broker } = this.context.ports;
    switch (command.kind) {
      case 'hello':
      case 'publish':
      case 'publish-routed':
        return; // These are served before this; the types cannot know.
      case 'subscribe-queue':
      case 'subscribe-topic':
      case 'subscribe-broadcast':
        this.track(id, this.subscriptions.subscribe(id, command), `#${command.subscription}`);
        return;
      case 'unsubscribe':
        this.subscriptions.unsubscribe(command.subscription);
        return this.reply(id, DONE);
      case 'credit':
        this.subscriptions.credit(command);
        return this.reply(id, DONE);
      case 'settle':
        return this.settle(id, command);
      case 'seek':
        this.track(id, this.subscriptions.seek(id, command), `#${command.subscription}`);
        return;
      case 'fetch':
        return this.fetch(id, command);
      case 'list-offsets':
        return this.reply(id, administration.listOffsets(broker, command));
      case 'commit-offsets':
        return this.ask(id, () => administration.commitOffsets(broker, command));
      case 'fetch-offsets':
        return this.ask(id, () => administration.fetchOffsets(broker, command));
      case 'init-producer':
        return this.ask(id, () => administration.initProducer(broker, command.producerId));
      case 'declare':
        this.ownsQueues ||= command.model?.exclusive ?? false;
        return this.change(id, command, () =>
          administration.declare(broker, command, this.connection, () => this.newQueueName()),
        );
      case 'delete':
        return this.change(id, command, () => administration.remove(broker, command, this.connection));
      case 'purge':
        return this.change(id, command, () => administration.purge(broker, command, this.connection));
      case 'describe':
        return this.ask(id, () => administration.describe(broker, command));
      case 'list':
        return this.list(id, command);
      default:
        return this.runModel(id, command);
    }
  }

  /** What is about exchanges, single messages, transactions, and the session itself. */
  private runModel(id: number, command: ModelCommand): void {
    const { broker } = this.context.ports;
    switch (command.kind) {
      case 'declare-exchange':
        return this.change(id, command, () => routing.declareExchange(broker, command));
      case 'delete-exchange':
        return this.change(id, command, () => routing.deleteExchange(broker, command));
      case 'bind':
      case 'unbind':
        return this.change(id, command, () => routing.bind(broker, command, this.connection));
      case 'list-exchanges':
        return this.reply(id, routing.listExchanges(broker, command));
      case 'list-bindings':
        return this.reply(id, routing.listBindings(broker, command));
      case 'explain-route':
        return this.reply(id, routing.explainRoute(broker, command));
      case 'list-unacked':
        return this.ask(id, () => held.listUnacked(broker, command));
      case 'count-delayed':
        return this.ask(id, () => held.countDelayed(broker, command));
      case 'cancel-delayed':
        return this.ask(id, () => held.cancelDelayed(broker, command));
      case 'transact':
        return this.transact(id, command);
      case 'get':
        return this.get(id, command);
      case 'renew-token':
        return this.ask(id, () => this.renewToken(command.token));
      case 'ping':
        return this.reply(id, { pong: { payload: command.payload } });
      case 'status':
        return this.ask(id, () => this.status());
      default:
        unreachable(command);
    }
  }

  /** Answers a request, unless its id says that no answer is wanted. */
  private reply(id: number, answer: WireAnswer): void {
    if (id !== 0) this.outbox.answer(id, answer);
  }

  private async status(): Promise<WireAnswer> {
    return { nodeStatus: await this.context.ports.status() };
  }

  private async renewToken(token: string): Promise<WireAnswer> {
    await this.access?.renew(token, this.remoteAddress);
    this.recheckAccess();
    return { renewed: { expiresInMs: this.expiresInMs() } };
  }

  /** How long the session's credentials count from now on; 0 = there is no end. */
  private expiresInMs(): number {
    const { expiresAtMs } = this.access?.principal ?? {};
    const { nowMs } = this.context.ports;
    return expiresAtMs === undefined || nowMs === undefined ? 0 : Math.max(1, Math.floor(expiresAtMs - nowMs()));
  }

  private settle(id: number, command: Command & { kind: 'settle' }): void {
    if (id === 0) this.subscriptions.settle(command, undefined);
    else
      this.during((finished) => {
        this.subscriptions.settle(command, (error) => this.finish(id, finished, error, DONE));
      });
  }

  private get(id: number, command: Command & { kind: 'get' }): void {
    if (id === 0) throw invalidRequest('A get needs an id: nothing else could carry its answer');
    this.during((finished) => this.subscriptions.get(id, command, finished));
  }

  private transact(id: number, command: Command & { kind: 'transact' }): void {
    this.during((finished) => {
      this.transactions.run(command, this.subscriptions, (error, unroutable) => {
        this.finish(id, finished, error, { transacted: { unroutable: [...unroutable] } });
      });
    });
  }

  private list(id: number, command: Command & { kind: 'list' }): void {
    const isVisible = (topic: TopicEntry): boolean => this.access?.isVisible(topic) === true;
    this.ask(id, () => administration.list(this.context.ports.broker, command, isVisible));
  }

  private newQueueName(): string {
    const name = this.context.ports.random.bytes(QUEUE_NAME_BYTES);
    return `amq.gen-${Buffer.from(name).toString('base64url')}`;
  }

  private fetch(id: number, command: Command & { kind: 'fetch' }): void {
    if (id === 0) throw invalidRequest('A fetch needs an id: nothing else could carry its answer');
    this.during((finished) => this.fetches.start(id, command, finished));
  }

  /** Begins a request that calls back when it has ended. @throws BrokerError, and what `begin` throws: then it never began. */
  private during(begin: (finished: () => void) => void): void {
    const finished = this.takeRequest();
    try {
      begin(finished);
    } catch (thrown) {
      finished();
      throw thrown;
    }
  }

  private finish(id: number, finished: () => void, error: BrokerError | undefined, answer: WireAnswer): void {
    finished();
    if (this.state.name !== 'open') return;
    if (error === undefined) this.reply(id, answer);
    else this.outbox.error(id, error);
  }

  /** A request in progress. The function that it returns ends it, once. @throws BrokerError `limit-exceeded`. */
  private takeRequest(): () => void {
    const { maxInflightRequests } = this.context.ports.limits;
    if (this.requests >= maxInflightRequests) {
      throw new BrokerError('limit-exceeded', `There are ${maxInflightRequests} requests without an answer already`);
    }
    this.requests++;
    let ended = false;
    return () => {
      if (!ended) this.requests--;
      ended = true;
    };
  }

  /** Answers when `work` is done. @throws BrokerError `limit-exceeded` before it is begun. */
  private ask(id: number, work: () => Promise<WireAnswer>, whenDone: () => void = () => {}): void {
    const finished = this.takeRequest();
    work().then(
      (answer) => {
        finished();
        if (this.state.name === 'open') this.reply(id, answer);
        whenDone();
      },
      (thrown) => {
        finished();
        if (this.state.name === 'open') this.refuse(id, thrown);
        whenDone();
      },
    );
  }

  /** As `ask`, for what changes a topic or the ways of messages: later requests that depend on it wait. */
  private change(id: number, command: Command, work: () => Promise<WireAnswer>): void {
    const ends = orderKeys(command).map((key) => this.gate.begin(key));
    const end = (): void => {
      for (const endOne of ends) endOne();
    };
    try {
      this.ask(id, work, end);
    } catch (thrown) {
      end();
      throw thrown;
    }
  }

  /** Waits for a subscription's answer, which the subscription sends itself. */
  private track(id: number, work: Promise<void> | undefined, key: string): void {
    if (work === undefined) return;
    const end = this.gate.begin(key);
    work.then(end, (thrown) => {
      if (this.state.name === 'open') this.refuse(id, thrown);
      end();
    });
  }

  // ---- Errors and the end ----

  /** Errors of a request answer it; errors of the protocol end the session; anything else is a defect and passed on. */
  private refuse(id: number, thrown: unknown): void {
    if (thrown instanceof ProtocolError) this.close(thrown.code, thrown.message);
    else if (thrown instanceof DecodeError) this.close('undecodable', `Cannot decode the frame: ${thrown.message}`);
    else this.outbox.error(id, asBrokerError(thrown));
  }

  private overrun(): void {
    this.close('slowReader', 'The client does not read what the node sends');
  }

  /** What operators are told; undefined unless the session is open. */
  describe(): SessionDescription | undefined {
    const { state, connection: id, user, vhost, subscriptions } = this;
    return state.name === 'open' ? { id, user, vhost, subscriptions: subscriptions.size } : undefined;
  }

  /** An operator ends the session; what it holds goes back, also where it would outlive a connection that breaks. */
  closeByOperator(reason: string): void {
    this.close('byOperator', reason);
  }

  /** The session may not go on: its user has gone, or another reason of the authorizer's. */
  endByAccess(text: string): void {
    this.close('unauthenticated', text);
  }

  /** Permissions have changed: subscriptions that may not be any more end. */
  recheckAccess(): void {
    this.subscriptions.recheck((topic) => this.access?.checkRead(topic));
  }

  private close(code: CloseName, reason: string): void {
    if (this.state.name === 'closed') return;
    countUp(this.context.counters.closes, closeCodes[code]);
    this.release(false);
    this.socket.end(closeCodes[code], reason);
  }

  /** Ends the session, or with `isParking` only its connection. */
  private release(isParking: boolean): void {
    const { resumable } = this.context;
    const { id, connection, owner: user, vhost, ownsQueues, subscriptions } = this;
    this.setState({ name: 'closed' });
    this.access?.leave();
    this.access = undefined;
    this.gate.clear();
    this.fetches.cancelAll();
    if (this.resumeWindowMs > 0) resumable.closed(id);
    const content = { id, connection, user, vhost, form: this.outbox.form, ownsQueues, subscriptions };
    if (isParking) resumable.park(content, this.resumeWindowMs);
    else resumable.release(content);
  }

  /** The socket is gone, with this close code: 1000 is how a client says that it will not come back. */
  closed(code = NO_CLOSE_FRAME): void {
    const { name } = this.state;
    if (name !== 'closed') this.release(name === 'open' && this.resumeWindowMs > 0 && code !== NORMAL_CLOSURE);
  }

  /** The client has come back over another connection before the end of this one was noticed. */
  surrender(): void {
    if (this.state.name !== 'open') return;
    this.release(true);
    this.socket.end(NORMAL_CLOSURE, 'The session goes on over another connection');
  }

  /** The node is about to stop: the client is told, and new publishes are refused. Confirms of earlier ones still go out. */
  goAway(reason: string): void {
    if (this.state.name !== 'open' || this.isLeaving) return;
    this.isLeaving = true;
    this.outbox.answer(0, { goAway: { reason } });
    this.markTurn();
  }

  // ---- Flow ----

  private markTurn(): void {
    if (this.isMarked) return;
    this.isMarked = true;
    this.context.mark(this);
  }

  /** The event-loop turn ends: outcomes of publishes leave together. */
  flushTurn(): void {
    this.isMarked = false;
    if (this.state.name !== 'open') return;
    if (!this.context.ports.broker.accepting && !this.isLeaving && this.publisher.hasOutcomes) {
      this.isMarked = true;
      this.context.markLater(this);
      return;
    }
    this.publisher.flush();
    if (this.publisher.hasOutcomes) this.pause();
  }

  /** A client that publishes but does not read its confirms is read no further, where the engine can do that. */
  private pause(): void {
    if (!this.isPaused) this.isPaused = this.socket.pause();
  }

  /** The socket's backlog is empty. */
  drained(): void {
    if (this.state.name !== 'open') return;
    this.outbox.drained();
    if (this.isPaused) this.socket.resume();
    this.isPaused = false;
    this.publisher.flush();
    this.subscriptions.drained();
    this.fetches.drained();
  }
}
