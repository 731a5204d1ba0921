import { encodeFrame, type WireFrame, type WireKind } from '../proto/client-wire.js';
import { ClientError, errorOfNode } from './errors.js';
import { type FrameSink, readFrame } from './incoming.js';
import { MAX_ELSEWHERE, PROTOCOL_VERSION } from './limits.js';
import { type ResolvedOptions, reconnectDelayMs } from './options.js';
import { PublishWindow } from './publish-window.js';
import { Requests } from './requests.js';
import { SessionToken } from './session-token.js';
import type { Transport } from './transport.js';

/** Where a client stands: `connecting` for the first time, `open`, `reconnecting` after a loss, `closing` in good order, `closed` for ever. */
export type ConnectionState = 'connecting' | 'open' | 'reconnecting' | 'closing' | 'closed';

/** A change of state. */
export interface StateChange {
  readonly state: ConnectionState;
  /** What ended the last connection, or the client. */
  readonly error?: ClientError;
  /** `reconnecting`: failures in a row so far. */
  readonly attempt?: number;
  /** `reconnecting`: wait until the next attempt. */
  readonly delayMs?: number;
}

/** What the node said of itself and its limits. */
export type Welcome = WireKind<'welcome'>;

/** Whoever has to do something when connections come and go: producers and subscriptions. */
export interface Participant {
  /** A session is open; frames may be sent. `isResumed`: it is the one before, with its subscriptions and what they hold. */
  opened(isResumed: boolean): void;
  /** The connection is gone; another will be made. `isResumable`: perhaps it goes on with the same session. */
  lost(error: ClientError, isResumable: boolean): void;
  /** No connection will be made any more. */
  closed(error: ClientError): void;
  /** Ends in good order, while the connection lasts. */
  close(): Promise<void>;
}

/** Whoever takes what the node pushes under one subscription number. */
export interface SubscriptionSink {
  /** The last tag that came, for subscriptions that outlive their connection. */
  readonly receivedTag?: number;
  /** Deliveries; the Deliver message lies between `start` and `end`. */
  deliver(bytes: Uint8Array, start: number, end: number): void;
  missed(missed: WireKind<'missed'>): void;
  /** Whether this one gets the messages of a queue with a single active consumer. */
  activeChanged?(active: boolean): void;
  /** The node ended the subscription. */
  ended(error: ClientError): void;
}

/** Takes the records of one broadcast channel. */
export type BroadcastSink = (broadcast: WireKind<'broadcast'>) => void;

type Phase =
  | { readonly name: 'idle' }
  | { readonly name: 'connecting'; transport: Transport | undefined; readonly timer: ReturnType<typeof setTimeout> }
  | { readonly name: 'open'; readonly transport: Transport; readonly welcome: Welcome }
  | { readonly name: 'waiting'; readonly timer: ReturnType<typeof setTimeout> }
  | { readonly name: 'closed'; readonly error: ClientError };

const NORMAL_CLOSURE = 1000;
const MAX_ID = 0xffff_ffff;
/** Close codes that trying again does not help: breach of protocol, version, credentials. */
/** The session that was to go on is on another shard: the next connection may lead there. */
const CLOSED_ELSEWHERE = 4004;
const finalCloses = new Map([
  [4002, 'unsupported'],
  [4003, 'unauthenticated'],
] as const);

/** One client's conversation with its node over however many connections: greets, dispatches frames, notices dead peers, reconnects. */
export class Session implements FrameSink {
  readonly options: ResolvedOptions;
  readonly requests: Requests;
  readonly window: PublishWindow;
  readonly tokens: SessionToken;
  readonly subscriptions = new Map<number, SubscriptionSink>();
  readonly channels = new Map<number, BroadcastSink>();
  /** Counts connections: what belongs to an older one is stale. */
  generation = 0;
  private readonly participants = new Set<Participant>();
  private readonly notify: (change: StateChange) => void;
  private phase: Phase = { name: 'idle' };
  private publicState: ConnectionState = 'connecting';
  private lastId = 0;
  private lastSubscription = 0;
  private failures = 0;
  private nextUrl = 0;
  private hasHeard = false;
  private isPinged = false;
  private keepAlive: ReturnType<typeof setInterval> | undefined;
  private lastWelcome: Welcome | undefined;
  /** The session that the next connection may go on with. */
  private resumeSession: Uint8Array | undefined;
  /** Subscriptions that came over from the connection before. */
  private resumed: ReadonlySet<number> = new Set();
  private elsewhere = 0;

  constructor(options: ResolvedOptions, notify: (change: StateChange) => void) {
    this.options = options;
    this.notify = notify;
    this.requests = new Requests(this, options.requestTimeoutMs);
    this.tokens = new SessionToken(options.token, (token) => this.renewToken(token));
    this.window = new PublishWindow((bytes) => this.sendBytes(bytes));
  }

  /** Whether frames can be sent now. */
  get isOpen(): boolean {
    return this.phase.name === 'open';
  }

  /** The error that closed the client, or undefined while it lives. */
  get closedBy(): ClientError | undefined {
    return this.phase.name === 'closed' ? this.phase.error : undefined;
  }

  get state(): ConnectionState {
    return this.publicState;
  }

  /** What the node said in the newest session. @throws ClientError `connection-lost` before the first. */
  get welcome(): Welcome {
    if (this.lastWelcome === undefined) throw new ClientError('connection-lost', 'There has been no connection yet');
    return this.lastWelcome;
  }

  get maxInFlight(): number {
    return this.lastWelcome?.limits?.maxInflightRequests ?? 1;
  }

  nextId(): number {
    this.lastId = this.lastId === MAX_ID ? 1 : this.lastId + 1;
    return this.lastId;
  }

  /** A number that no subscription of this client has had. */
  nextSubscription(): number {
    return ++this.lastSubscription;
  }

  /** Adds somebody to be told of connections. An open one is told at once. @throws ClientError once the client is closed. */
  join(participant: Participant): void {
    if (this.phase.name === 'closed') throw this.phase.error;
    this.participants.add(participant);
    if (this.isOpen) participant.opened(false);
  }

  leave(participant: Participant): void {
    this.participants.delete(participant);
  }

  /** Ends all participants in good order. */
  async closeParticipants(): Promise<void> {
    await Promise.allSettled([...this.participants].map((participant) => participant.close()));
  }

  /** Sends a frame that wants no answer. Dropped without a connection: whoever sends keeps what must not get lost. */
  send(frame: WireFrame): void {
    this.sendBytes(encodeFrame(frame));
  }

  sendBytes(bytes: Uint8Array): void {
    if (this.phase.name === 'open') this.phase.transport.send(bytes);
  }

  /** Begins to connect. */
  start(): void {
    if (this.phase.name !== 'idle' && this.phase.name !== 'waiting') return;
    const url = this.options.urls[this.nextUrl++ % this.options.urls.length]!;
    const phase: Phase = {
      name: 'connecting',
      transport: undefined,
      timer: setTimeout(() => this.fail(phase, 'timeout', `no greeting from ${url}`), this.options.connectTimeoutMs),
    };
    this.phase = phase;
    let isUp = false;
    const isCurrent = (): boolean => this.phase === phase || this.isOpenOver(phase.transport);
    const events = {
      opened: () => {
        isUp = true;
        if (isCurrent()) this.hello(phase.transport);
      },
      message: (bytes: Uint8Array) => isCurrent() && this.receive(bytes),
      closed: (code: number, reason: string) => isCurrent() && this.closedByPeer(code, reason),
    };
    const open = (): Promise<Transport> => this.options.transport(url, events);
    (this.tokens.canFetch ? this.tokens.fetch().then(open) : open()).then(
      (transport) => {
        phase.transport = transport;
        if (this.phase !== phase) transport.terminate();
        else if (isUp) this.hello(transport);
      },
      (thrown: unknown) =>
        this.fail(phase, 'connect-failed', thrown instanceof Error ? thrown.message : 'no transport'),
    );
  }

  private isOpenOver(transport: Transport | undefined): boolean {
    return this.phase.name === 'open' && transport !== undefined && this.phase.transport === transport;
  }

  private fail(phase: Phase, code: 'timeout' | 'connect-failed', what: string): void {
    if (this.phase === phase) this.connectionOver(new ClientError(code, `Cannot connect: ${what}`));
  }

  private hello(transport: Transport | undefined): void {
    const { clientName, user, password, vhost } = this.options;
    const { token } = this.tokens;
    const greeting = { version: PROTOCOL_VERSION, clientName, clientVersion: '0.1.0', user, password, token, vhost };
    const hello = { ...greeting, ...this.resumption() };
    transport?.send(encodeFrame({ id: this.nextId(), hello }));
  }

  /** Resolves with how long the token counts, in milliseconds; 0 when there is no connection to tell it. */
  private async renewToken(token: string): Promise<number> {
    if (!this.isOpen) return 0;
    const { expiresInMs } = await this.requests.request({ renewToken: { token } }, 'renewed');
    return expiresInMs ?? 0;
  }

  /** Which session this connection wants to go on with, and what of it has arrived. */
  private resumption(): Partial<NonNullable<WireFrame['hello']>> {
    const { resumeWindowMs } = this.options;
    if (resumeWindowMs === 0) return {};
    if (this.resumeSession === undefined) return { resumeWindowMs };
    const received = [...this.subscriptions].flatMap(([subscription, { receivedTag }]) =>
      receivedTag === undefined ? [] : [{ subscription, tag: receivedTag }],
    );
    return { resumeWindowMs, resumeSession: this.resumeSession, received };
  }

  /** Whether the session may go on over another connection. */
  get isResumable(): boolean {
    return this.resumeSession !== undefined;
  }

  /** Whether this subscription has come over from the connection before. */
  isResumed(subscription: number): boolean {
    return this.resumed.has(subscription);
  }

  private receive(bytes: Uint8Array): void {
    this.hasHeard = true;
    try {
      readFrame(bytes, this);
    } catch (thrown) {
      if (!(thrown instanceof ClientError)) throw thrown;
      this.connectionOver(thrown);
    }
  }

  confirm(id: number, baseOffset: number, reached: number, duplicate: boolean, isUnroutable: boolean): void {
    this.window.confirm(id, baseOffset, reached, duplicate, isUnroutable);
    this.window.feed();
  }

  deliver(subscription: number, bytes: Uint8Array, start: number, end: number): void {
    // What is on its way for a subscription that was just given up finds nobody.
    this.subscriptions.get(subscription)?.deliver(bytes, start, end);
  }

  frame(frame: WireFrame): void {
    const id = frame.id ?? 0;
    if (this.phase.name === 'connecting') this.greeted(frame);
    else if (frame.broadcast) this.channels.get(frame.broadcast.channel ?? 0)?.(frame.broadcast);
    else if (frame.missed) this.subscriptions.get(frame.missed.subscription ?? 0)?.missed(frame.missed);
    else if (frame.subscriptionActive) this.activeChanged(frame.subscriptionActive);
    else if (frame.subscriptionClosed) this.subscriptionEnded(frame.subscriptionClosed);
    else if (frame.error && id !== 0 && this.window.refuse(id, errorOfNode(frame.error))) this.window.feed();
    else if (id !== 0) this.requests.answer(id, frame);
  }

  private activeChanged({ subscription, active }: WireKind<'subscriptionActive'>): void {
    this.subscriptions.get(subscription ?? 0)?.activeChanged?.(active ?? false);
  }

  private subscriptionEnded(closed: WireKind<'subscriptionClosed'>): void {
    const number = closed.subscription ?? 0;
    const sink = this.subscriptions.get(number);
    this.subscriptions.delete(number);
    sink?.ended(errorOfNode(closed.reason));
  }

  private greeted(frame: WireFrame): void {
    const { phase } = this;
    if (phase.name !== 'connecting' || phase.transport === undefined) return;
    if (!frame.welcome) {
      const error = frame.error ? errorOfNode(frame.error) : new ClientError('protocol', 'The node did not greet');
      this.connectionOver(error);
      return;
    }
    clearTimeout(phase.timer);
    this.lastWelcome = frame.welcome;
    this.phase = { name: 'open', transport: phase.transport, welcome: frame.welcome };
    this.generation++;
    this.failures = 0;
    this.elsewhere = 0;
    const isResumed = frame.welcome.resumed ?? false;
    this.resumed = new Set(frame.welcome.subscriptions ?? []);
    this.resumeSession = frame.welcome.resumeWindowMs ? frame.welcome.sessionId?.slice() : undefined;
    this.requests.begin(this.resumed);
    const { limits } = frame.welcome;
    this.window.opened(limits?.maxInflightPublishes ?? 1, limits?.maxInflightBytes ?? 0);
    this.startKeepAlive();
    this.tokens.opened(frame.welcome.expiresInMs ?? 0);
    this.setState({ state: 'open' });
    for (const participant of [...this.participants]) if (this.isOpen) participant.opened(isResumed);
    this.requests.opened();
    this.window.feed();
  }

  private startKeepAlive(): void {
    this.isPinged = false;
    this.hasHeard = true;
    this.keepAlive = setInterval(() => this.checkPeer(), this.options.keepAliveMs);
  }

  private checkPeer(): void {
    if (this.hasHeard) {
      this.hasHeard = false;
      this.isPinged = false;
    } else if (this.isPinged) {
      const silence = `The node has been silent for ${2 * this.options.keepAliveMs} ms`;
      this.connectionOver(new ClientError('connection-lost', silence));
      return;
    }
    // Pinged whether it was heard or not: the ping also tells the node that this client lives.
    this.isPinged = true;
    this.send({ ping: {}, id: this.nextId() });
  }

  private closedByPeer(code: number, reason: string): void {
    if (code === CLOSED_ELSEWHERE && this.phase.name === 'connecting') {
      this.tryElsewhere();
      return;
    }
    const final = finalCloses.get(code as 4002 | 4003);
    const isConnecting = this.phase.name === 'connecting';
    const what = `${isConnecting ? 'Cannot connect' : 'The connection is lost'}: closed with ${code}`;
    const text = reason === '' ? what : `${what}, ${reason}`;
    this.connectionOver(new ClientError(final ?? (isConnecting ? 'connect-failed' : 'connection-lost'), text));
  }

  /** Another connection, at once, to the same node; after too many a new session. */
  private tryElsewhere(): void {
    this.dropConnection();
    this.elsewhere++;
    if (this.elsewhere >= MAX_ELSEWHERE) this.resumeSession = undefined;
    this.nextUrl--;
    this.start();
  }

  /** Ends the connection on an error, and waits for the next one if there is to be one. */
  private connectionOver(error: ClientError): void {
    const { phase } = this;
    const wasOpen = phase.name === 'open';
    this.dropConnection();
    const isFirst = this.generation === 0;
    const { reconnect } = this.options;
    this.failures++;
    // An open connection ends so when its token expires: who can get another one comes back with it.
    const isExpiry = wasOpen && this.tokens.canFetch;
    const isFinal =
      (error.code === 'unauthenticated' && !isExpiry) || error.code === 'unsupported' || error.code === 'forbidden';
    if (
      isFinal ||
      (isFirst && !reconnect.first) ||
      this.failures > reconnect.maxAttempts ||
      this.publicState === 'closing'
    ) {
      this.finish(error);
      return;
    }
    const delayMs = reconnectDelayMs(reconnect, this.failures, Math.random());
    this.phase = { name: 'waiting', timer: setTimeout(() => this.start(), delayMs) };
    const lost = new ClientError('connection-lost', error.message, error);
    if (wasOpen) this.tellLost(lost);
    this.setState({ state: isFirst ? 'connecting' : 'reconnecting', error, attempt: this.failures, delayMs });
  }

  private dropConnection(): void {
    const { phase } = this;
    this.tokens.closed();
    clearInterval(this.keepAlive);
    if (phase.name === 'connecting' || phase.name === 'waiting') clearTimeout(phase.timer);
    this.phase = { name: 'idle' };
    if (phase.name === 'connecting' || phase.name === 'open') phase.transport?.terminate();
  }

  private tellLost(error: ClientError): void {
    this.window.lost();
    this.channels.clear();
    for (const participant of [...this.participants]) participant.lost(error, this.resumeSession !== undefined);
    this.requests.lost(error);
  }

  /** Says that the client is closing: a connection that breaks now is not made again. */
  beginClosing(): void {
    this.setState({ state: 'closing' });
  }

  /** Closes in good order; `error` is what everything that waits fails with. */
  close(error: ClientError = new ClientError('closed', 'The client is closed')): void {
    if (this.phase.name === 'closed') return;
    if (this.phase.name === 'open') {
      const { transport } = this.phase;
      clearInterval(this.keepAlive);
      this.tokens.closed();
      transport.close(NORMAL_CLOSURE, 'closed by the client');
      this.phase = { name: 'idle' };
    } else this.dropConnection();
    this.finish(error);
  }

  private finish(error: ClientError): void {
    this.phase = { name: 'closed', error };
    this.window.lost();
    for (const participant of [...this.participants]) participant.closed(error);
    this.participants.clear();
    this.subscriptions.clear();
    this.channels.clear();
    this.requests.closed(error);
    this.setState({ state: 'closed', error });
  }

  private setState(change: StateChange): void {
    this.publicState = change.state;
    this.notify(change);
  }
}
