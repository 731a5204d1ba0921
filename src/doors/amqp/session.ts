import { BugError } from '../../base/assert.js';
import { readU32 } from '../../base/integers.js';
import { encodeUtf8 } from '../../base/utf8.js';
import type { AccessVerdict, Principal } from '../../broker/access.js';
import type { TimerHandle } from '../../io/ports.js';
import { Channel, type ChannelHost } from './channel.js';
import { type Command, readCommand } from './commands.js';
import { type AmqpPeer, type Client, clientOf, type State, shownName, type Tuned } from './connection-state.js';
import type { DoorContext, TurnEnd } from './context.js';
import { countUp } from './counters.js';
import { AmqpError, asAmqpError, cutShort, isSoft, replyCodes, replyText } from './errors.js';
import { beginMethod, endFrame, writeBare, writeLong, writeShort } from './frame-writer.js';
import { FrameReader, type FrameSink } from './frames.js';
import {
  checkTuning,
  LOCALES,
  mechanismsFor,
  PROTOCOL_HEADER,
  readCredentials,
  serverProperties,
} from './handshake.js';
import { Heartbeat, type HeartbeatPeer } from './heartbeat.js';
import { type AmqpConnectionFacts, ConnectionRecord, describeConnection, type InspectionDepth } from './inspection.js';
import { ACCEPTING_POLL_MS } from './limits.js';
import { FrameType, Method, type MethodId } from './methods.js';
import { type AmqpSocket, Outbox } from './outbox.js';
import { PauseReason, Reading } from './reading.js';
import type { SessionFacts } from './scope.js';
import { SessionAccess } from './session-access.js';
import type { RoomUser } from './shared-room.js';

/**
 * One AMQP connection: bytes in, bytes out, no socket inside. `receive` never throws on anything that a peer can send; an exception from it is a defect
 * of the node. docs/protocols/amqp.md lists what is answered to what.
 */
export class AmqpConnection implements FrameSink, ChannelHost, HeartbeatPeer, RoomUser, TurnEnd {
  readonly context: DoorContext;
  readonly outbox: Outbox;
  private readonly socket: AmqpSocket;
  private readonly remoteAddress: string;
  /** The user that the peer's verified certificate stands for. */
  private readonly certificate: string | undefined;
  private readonly record = new ConnectionRecord();
  private readonly reader: FrameReader;
  private readonly reading: Reading;
  private readonly channels = new Map<number, Channel>();
  private readonly ended: () => void;
  private state: State = { name: 'header', seen: 0 };
  private facts: SessionFacts | undefined;
  /** While the connection is open. */
  private access: SessionAccess | undefined;
  /** The last channel that was looked up: frames of one come together. */
  private lastChannel: Channel | undefined;
  private marked: Channel[] = [];
  private isMarked = false;
  private handshakeTimer: TimerHandle | undefined;
  private closeTimer: TimerHandle | undefined;
  private heartbeat: Heartbeat | undefined;
  private hasReceived = false;
  private toldBlocked = false;
  /** The client has sent close while frames of its channels wait. */
  private wantsToLeave = false;
  private assemblingBytes = 0;
  private waitingBytes = 0;

  /** `ended` is called once, when the socket has closed. */
  constructor(context: DoorContext, socket: AmqpSocket, peer: AmqpPeer, ended: () => void) {
    this.context = context;
    this.socket = socket;
    this.remoteAddress = peer.remoteAddress;
    this.certificate = peer.certificate;
    this.ended = ended;
    const { limits, timers } = context.ports;
    this.outbox = new Outbox(socket, context.writers, limits, context.counters, () => this.markTurn());
    this.reader = new FrameReader(this);
    this.reading = new Reading(socket);
    this.handshakeTimer = timers.setTimeout(() => this.handshakeTimedOut(), limits.handshakeTimeoutMs);
    this.handshakeTimer.unref();
  }

  /** What the connection has agreed on. @throws BugError before it is open. */
  get session(): SessionFacts {
    if (this.facts === undefined) throw new BugError('A channel asked for the facts of a connection that is not open');
    return this.facts;
  }

  /** The channels that are open now. */
  openChannels(): IterableIterator<Channel> {
    return this.channels.values();
  }

  private setState(state: State): void {
    this.state = state;
    const isShaking =
      state.name !== 'running' && state.name !== 'closing' && state.name !== 'leaving' && state.name !== 'closed';
    if (isShaking || this.handshakeTimer === undefined) return;
    this.context.ports.timers.clearTimeout(this.handshakeTimer);
    this.handshakeTimer = undefined;
  }

  // ---- Bytes ----

  /** The next bytes of the stream, in any pieces; borrowed until the call returns. */
  receive(bytes: Uint8Array): void {
    if (this.state.name === 'closed') return;
    this.context.counters.bytesIn += bytes.length;
    this.record.received(bytes.length);
    this.hasReceived = true;
    try {
      const start = this.state.name === 'header' ? this.readProtocolHeader(this.state, bytes) : 0;
      if (start < bytes.length) this.reader.push(start === 0 ? bytes : bytes.subarray(start));
    } catch (thrown) {
      // Only the reader's own errors come here: the stream is out of step, and nothing more can be read from it.
      const error = asAmqpError(thrown, 0);
      this.reader.stop();
      this.fail(error);
      // An answer could not be read either.
      if (this.state.name === 'closing') this.leaveSocket();
    }
    for (const channel of this.marked) channel.settlements.flush();
    if (this.outbox.isFull) this.reading.set(PauseReason.backlog, true);
  }

  /** Returns where frames begin; the length of the bytes when there are none yet. */
  private readProtocolHeader(state: { seen: number }, bytes: Uint8Array): number {
    for (let at = 0; at < bytes.length; at++) {
      if (bytes[at] !== PROTOCOL_HEADER[state.seen]) {
        this.refuse();
        return bytes.length;
      }
      if (++state.seen < PROTOCOL_HEADER.length) continue;
      this.start();
      return at + 1;
    }
    return bytes.length;
  }

  /** Another protocol, or another version: the client is told what is spoken here (§4.2.2). */
  private refuse(): void {
    this.context.counters.connectionsRefused++;
    this.socket.write(PROTOCOL_HEADER);
    this.leaveSocket();
  }

  frame(type: number, channel: number, bytes: Uint8Array, at: number, end: number): void {
    this.context.counters.framesIn++;
    if (this.state.name === 'closed') return;
    if (channel === 0) {
      this.guard(undefined, () => this.frameOfConnection(type, bytes, at, end));
      return;
    }
    const { state } = this;
    if (state.name !== 'running') {
      this.frameTooEarly();
      return;
    }
    const target = this.lastChannel?.id === channel ? this.lastChannel : this.findChannel(channel);
    try {
      if (type === FrameType.heartbeat) throw new AmqpError('unexpected-frame', 'a heartbeat belongs on channel 0');
      if (target === undefined) this.frameOfNoChannel(channel, state.channelMax, type, bytes, at, end);
      else target.frame(type, bytes, at, end);
    } catch (thrown) {
      this.failed(target, thrown);
    }
  }

  private findChannel(channel: number): Channel | undefined {
    this.lastChannel = this.channels.get(channel);
    return this.lastChannel;
  }

  takesParts(channel: number): boolean {
    const target = this.state.name === 'running' ? this.findChannel(channel) : undefined;
    return target?.takesParts ?? false;
  }

  bodyPart(channel: number, bytes: Uint8Array, at: number, end: number): void {
    const target = this.findChannel(channel);
    this.guard(target, () => target?.bodyPart(bytes, at, end));
  }

  bodyEnded(channel: number): void {
    this.context.counters.framesIn++;
    const target = this.findChannel(channel);
    this.guard(target, () => target?.bodyEnded());
  }

  private guard(channel: Channel | undefined, work: () => void): void {
    try {
      work();
    } catch (thrown) {
      this.failed(channel, thrown);
    }
  }

  private failed(channel: Channel | undefined, thrown: unknown): void {
    const error = asAmqpError(thrown, 0);
    if (channel !== undefined && isSoft(error.code)) channel.closeByNode(error);
    else this.fail(error);
  }

  // ---- Channels ----

  /** While the connection ends, frames of channels are ignored; before it is open, there must be none. */
  private frameTooEarly(): void {
    const { name } = this.state;
    if (name === 'closing' || name === 'leaving') return;
    this.failed(undefined, new AmqpError('unexpected-frame', `a frame of a channel in connection state ${name}`));
  }

  private frameOfNoChannel(
    id: number,
    channelMax: number,
    type: number,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): void {
    if (type !== FrameType.method) {
      throw new AmqpError('unexpected-frame', 'expected method frame, got non method frame instead');
    }
    const method = end - at < 4 ? 0 : readU32(bytes, at);
    if (method !== Method.channelOpen) {
      // A close that crossed the node's own one: its answer came before.
      if (method === Method.channelCloseOk) return;
      throw new AmqpError('channel-error', "expected 'channel.open'", method);
    }
    if (channelMax !== 0 && this.channels.size >= channelMax) {
      const text = `number of channels opened (${this.channels.size}) has reached the negotiated channel_max (${channelMax})`;
      throw new AmqpError('not-allowed', text, method);
    }
    this.access?.openChannel();
    const channel = new Channel(this, id);
    this.channels.set(id, channel);
    this.lastChannel = channel;
    this.answer(id, Method.channelOpenOk, (writer) => writer.u32(0));
  }

  forget(channel: Channel): void {
    if (this.channels.delete(channel.id)) this.access?.closeChannel();
    if (this.lastChannel === channel) this.lastChannel = undefined;
  }

  markChannel(channel: Channel): void {
    if (channel.isMarked) return;
    channel.isMarked = true;
    this.marked.push(channel);
    this.markTurn();
  }

  private markTurn(): void {
    if (this.isMarked) return;
    this.isMarked = true;
    this.context.mark(this);
  }

  /** The end of the turn: what was decided is told, and everything is written at once. */
  flushTurn(): void {
    this.isMarked = false;
    if (this.wantsToLeave && this.waitingBytes === 0) {
      this.wantsToLeave = false;
      if (this.state.name === 'running') this.leave();
    }
    const { marked } = this;
    this.marked = [];
    for (const channel of marked) {
      channel.isMarked = false;
      channel.flushTurn();
    }
    this.outbox.flush();
    if (this.outbox.isFull) this.reading.set(PauseReason.backlog, true);
  }

  /** The socket's backlog is gone. */
  drained(): void {
    this.outbox.drained();
    this.reading.set(PauseReason.backlog, false);
    for (const channel of this.channels.values()) channel.drained();
  }

  reserve(bytes: number): void {
    const { assemblingMaxBytes } = this.context.ports.limits;
    if (this.assemblingBytes + bytes > assemblingMaxBytes) {
      const text = `more than ${assemblingMaxBytes} bytes of unfinished messages`;
      throw new AmqpError('resource-error', text, Method.basicPublish);
    }
    if (!this.context.room.take(this, bytes)) throw this.tooMuchUnfinished();
    this.assemblingBytes += bytes;
  }

  release(bytes: number): void {
    this.assemblingBytes -= bytes;
    this.context.room.give(this, bytes);
  }

  /** All connections together have too much that is unfinished, and this one has most of it. */
  giveUp(): void {
    this.fail(this.tooMuchUnfinished());
  }

  private tooMuchUnfinished(): AmqpError {
    const { sharedRoomBytes } = this.context.ports.limits;
    const text = `more than ${sharedRoomBytes} bytes of unfinished messages on all connections, most of them on this one`;
    return new AmqpError('resource-error', text, Method.basicPublish);
  }

  waiting(bytes: number): void {
    this.waitingBytes += bytes;
    if (this.wantsToLeave) this.markTurn();
    const { waitingMarkBytes, waitingMaxBytes } = this.context.ports.limits;
    this.reading.set(PauseReason.waiting, this.waitingBytes > waitingMarkBytes);
    if (this.waitingBytes <= waitingMaxBytes) return;
    const text = `more than ${waitingMaxBytes} bytes wait for earlier commands of their channels`;
    throw new AmqpError('resource-error', text);
  }

  // ---- Publishers are held back ----

  published(): void {
    if (this.context.blockedReason !== undefined) this.block(this.context.blockedReason);
    if (!this.context.ports.broker.accepting && !this.reading.has(PauseReason.congestion)) this.awaitAccepting();
  }

  private awaitAccepting(): void {
    this.reading.set(PauseReason.congestion, true);
    const { broker, timers } = this.context.ports;
    const look = (): void => {
      if (this.state.name === 'closed') return;
      if (broker.accepting) this.reading.set(PauseReason.congestion, false);
      else timers.setTimeout(look, ACCEPTING_POLL_MS).unref();
    };
    timers.setTimeout(look, ACCEPTING_POLL_MS).unref();
  }

  private block(reason: string): void {
    if (this.reading.has(PauseReason.alarm)) return;
    this.context.counters.blocked++;
    this.reading.set(PauseReason.alarm, true);
    if (this.state.name !== 'running' || !this.state.client.blocked) return;
    this.toldBlocked = true;
    this.answer(0, Method.connectionBlocked, (writer) => writeShort(writer, cutShort(reason)));
  }

  /** The alarm is over. */
  unblock(): void {
    if (!this.reading.has(PauseReason.alarm)) return;
    this.reading.set(PauseReason.alarm, false);
    if (!this.toldBlocked) return;
    this.toldBlocked = false;
    if (this.state.name === 'running') writeBare(this.outbox.open(), 0, Method.connectionUnblocked);
  }

  // ---- Channel 0 ----

  private frameOfConnection(type: number, bytes: Uint8Array, at: number, end: number): void {
    const { name } = this.state;
    if (type === FrameType.heartbeat) return;
    const isEnding = name === 'closing' || name === 'leaving';
    if (type !== FrameType.method) {
      if (isEnding) return;
      throw new AmqpError('unexpected-frame', 'content frames do not belong on channel 0');
    }
    if (end - at < 4) throw new AmqpError('frame-error', 'a method frame is too short for a method');
    const method = readU32(bytes, at);
    if (isEnding) {
      this.methodWhileEnding(method);
      return;
    }
    if (readByChannels.has(method)) throw this.unexpectedMethod(method);
    this.command(readCommand(method, bytes, at + 4, end), method);
  }

  private methodWhileEnding(method: MethodId): void {
    if (this.state.name !== 'closing') return;
    if (method === Method.connectionCloseOk) this.leaveSocket();
    else if (method === Method.connectionClose) writeBare(this.outbox.open(), 0, Method.connectionCloseOk);
  }

  private command(command: Command, method: MethodId): void {
    const { state } = this;
    if (command.kind === 'close' && state.name !== 'starting' && state.name !== 'securing') {
      // What channels were sent before, and what waits there for their own changes, comes first.
      this.wantsToLeave = this.waitingBytes > 0;
      if (!this.wantsToLeave) this.leave();
    } else if (state.name === 'starting' && command.kind === 'start-ok') {
      this.authenticate(command);
    } else if (state.name === 'tuning' && command.kind === 'tune-ok') {
      this.tuned(state, command);
    } else if (state.name === 'opening' && command.kind === 'open') {
      this.open(state, command.vhost);
    } else if (state.name === 'running' && command.kind === 'update-secret') {
      this.updateSecret(command.secret);
    } else {
      throw this.unexpectedMethod(method);
    }
  }

  private unexpectedMethod(method: MethodId): AmqpError {
    return new AmqpError('channel-error', `unexpected method in connection state ${this.state.name}`, method);
  }

  private answer(channel: number, method: MethodId, write: (writer: ReturnType<Outbox['open']>) => void): void {
    const writer = this.outbox.open();
    const frame = beginMethod(writer, channel, method);
    write(writer);
    endFrame(writer, frame);
  }

  private start(): void {
    this.setState({ name: 'starting' });
    this.answer(0, Method.connectionStart, (writer) => {
      writer.u8(0);
      writer.u8(9);
      writeLong(writer, serverProperties(this.context.ports.node));
      writeLong(writer, encodeUtf8(mechanismsFor(this.certificate)));
      writeLong(writer, encodeUtf8(LOCALES));
    });
  }

  private authenticate(command: Command & { kind: 'start-ok' }): void {
    const { properties, mechanism } = command;
    const client = clientOf(command);
    this.record.introduced(properties);
    const credentials = readCredentials(mechanism, command.response, this.certificate);
    this.setState({ name: 'securing', client });
    const verdict = this.context.ports.access.authenticate(credentials, this.remoteAddress);
    if (!(verdict instanceof Promise)) {
      this.judge(verdict);
      return;
    }
    this.reading.set(PauseReason.authentication, true);
    const judgeLate = (decided: AccessVerdict): void => {
      this.reading.set(PauseReason.authentication, false);
      this.judge(decided);
    };
    verdict.then(judgeLate, () => judgeLate({ accepted: false, reason: 'the credentials could not be checked' }));
  }

  private judge(verdict: AccessVerdict): void {
    const { state } = this;
    if (state.name !== 'securing') return;
    if (!verdict.accepted) {
      this.refuseLogin(state.client);
      return;
    }
    this.setState({ name: 'tuning', client: state.client, principal: verdict.principal });
    const { limits } = this.context.ports;
    this.answer(0, Method.connectionTune, (writer) => {
      writer.u16(limits.channelMax);
      writer.u32(limits.frameMaxBytes);
      writer.u16(limits.heartbeatSeconds);
    });
  }

  private refuseLogin(client: Client): void {
    if (client.authenticationFailureClose) {
      const text = `Login was refused using authentication mechanism ${client.mechanism}. For details see the broker logfile.`;
      this.failed(undefined, new AmqpError('access-refused', text));
      return;
    }
    // Clients that do not know the extension see the connection end, after a while: guessing must not be cheap.
    countUp(this.context.counters.errors, 'access-refused');
    this.reader.stop();
    this.endLater(this.context.ports.limits.silentCloseMs);
  }

  private tuned(
    state: { readonly client: Client; readonly principal: Principal },
    command: { readonly channelMax: number; readonly frameMax: number; readonly heartbeat: number },
  ): void {
    checkTuning(command.frameMax, command.channelMax, this.context.ports.limits);
    this.reader.setFrameMax(command.frameMax);
    this.record.heartbeatSeconds = command.heartbeat;
    if (command.heartbeat > 0) this.heartbeat = new Heartbeat(this.context.ports.timers, command.heartbeat, this);
    const { client, principal } = state;
    const { frameMax: frameMaxBytes, channelMax } = command;
    this.setState({ name: 'opening', client, principal, frameMaxBytes, channelMax });
  }

  private open(state: Tuned, vhost: string): void {
    this.access = new SessionAccess(this, this.context, state.principal, vhost);
    const { client, principal, frameMaxBytes, channelMax } = state;
    const { cancelNotify } = client;
    const connection = this.context.newConnectionName();
    const shown = shownName(client, this.remoteAddress, this.socket.remotePort);
    this.facts = { connection, shown, vhost, access: this.access, frameMaxBytes, cancelNotify };
    this.setState({ name: 'running', client, principal, frameMaxBytes, channelMax });
    this.context.counters.connectionsAccepted++;
    this.record.connectedMs = this.context.ports.clock.nowMs();
    this.answer(0, Method.connectionOpenOk, (writer) => writeShort(writer, ''));
  }

  /** connection.update-secret: the same user with new credentials. */
  private updateSecret(secret: Uint8Array): void {
    this.access?.renew(secret, this.remoteAddress, (refusal) => {
      if (this.state.name !== 'running') return;
      if (refusal !== undefined) {
        this.failed(undefined, refusal);
        return;
      }
      this.recheckAccess();
      writeBare(this.outbox.open(), 0, Method.connectionUpdateSecretOk);
    });
  }

  /** Permissions, or the credentials, have changed. */
  recheckAccess(): void {
    for (const channel of [...this.channels.values()]) channel.recheckAccess();
  }

  private handshakeTimedOut(): void {
    this.handshakeTimer = undefined;
    const { handshakeTimeoutMs } = this.context.ports.limits;
    if (this.state.name === 'header') {
      this.context.counters.connectionsRefused++;
      this.leaveSocket();
    } else {
      const text = `the handshake took longer than ${handshakeTimeoutMs} ms`;
      this.failed(undefined, new AmqpError('connection-forced', text));
    }
  }

  // ---- Operators ----

  /** What operators are told; undefined unless the connection is open. */
  describe(depth: InspectionDepth): AmqpConnectionFacts | undefined {
    const { state, facts, record, outbox, socket, channels, remoteAddress } = this;
    if (state.name !== 'running' || facts === undefined) return undefined;
    const pause = this.reading.has(PauseReason.alarm) ? 'blocked' : this.reading.isPaused ? 'flow' : 'running';
    const parts = { tuned: state, facts, record, outbox, socket, channels, remoteAddress, state: pause } as const;
    return describeConnection(parts, depth);
  }

  /** An operator ends the connection. */
  closeByOperator(reason: string): void {
    this.fail(new AmqpError('connection-forced', reason));
  }

  // ---- Heartbeats ----

  takeSent(): boolean {
    const { hasWritten } = this.outbox;
    this.outbox.hasWritten = false;
    return hasWritten;
  }

  takeReceived(): boolean {
    const { hasReceived } = this;
    this.hasReceived = false;
    // Who does not read is not read either: that it takes nothing more is silence, too.
    return hasReceived || this.reading.isPausedByNode || this.outbox.takeProgress();
  }

  sendHeartbeat(): void {
    const writer = this.outbox.open();
    writer.raw(HEARTBEAT_FRAME);
    this.outbox.flush();
  }

  heartbeatMissed(): void {
    // A peer that is silent would not answer a close either (§4.2.7).
    this.socket.destroy();
    this.socketClosed();
  }

  // ---- The end ----

  /** A connection exception: tells the peer, and ignores what it sends until it has answered. */
  fail(error: AmqpError): void {
    const { name } = this.state;
    if (name === 'closed' || name === 'closing' || name === 'leaving') return;
    if (name === 'header') {
      this.leaveSocket();
      return;
    }
    const { counters } = this.context;
    countUp(counters.errors, error.code);
    if (name !== 'running') counters.connectionsRefused++;
    for (const channel of this.channels.values()) channel.flushTurn();
    this.setState({ name: 'closing' });
    this.endChannels();
    this.answer(0, Method.connectionClose, (writer) => {
      writer.u16(replyCodes[error.code]);
      writeShort(writer, replyText(error.code, error.message));
      writer.u32(error.method);
    });
    this.outbox.flush();
    const { closeTimeoutMs, silentCloseMs } = this.context.ports.limits;
    // Strangers get no second handshake's time for their answer.
    this.endLater(name === 'running' ? closeTimeoutMs : silentCloseMs);
    this.deleteOwnQueues().catch(ignoreOperatingError);
  }

  /** The node stops: open connections are told, others end. */
  goAway(reason: string): void {
    if (this.state.name === 'running') this.fail(new AmqpError('connection-forced', reason));
    else if (this.state.name !== 'closing' && this.state.name !== 'leaving') this.leaveSocket();
  }

  /** connection.close: answered when the connection's own queues are gone, as RabbitMQ does. */
  private leave(): void {
    for (const channel of this.channels.values()) channel.flushTurn();
    this.setState({ name: 'leaving' });
    this.endChannels();
    const answer = (): void => {
      if (this.state.name !== 'leaving') return;
      writeBare(this.outbox.open(), 0, Method.connectionCloseOk);
      this.leaveSocket();
    };
    this.deleteOwnQueues().then(answer, (thrown: unknown) => {
      ignoreOperatingError(thrown);
      answer();
    });
  }

  private async deleteOwnQueues(): Promise<void> {
    const { facts } = this;
    this.facts = undefined;
    if (facts !== undefined) await this.context.ports.broker.connectionClosed(facts.connection);
  }

  private endChannels(): void {
    for (const channel of this.channels.values()) {
      channel.close();
      this.access?.closeChannel();
    }
    this.channels.clear();
    this.access?.leave();
    this.access = undefined;
    this.lastChannel = undefined;
    this.marked = [];
    // A peer that was not read must be, or its answer never comes.
    for (const reason of Object.values(PauseReason)) this.reading.set(reason, false);
  }

  private endLater(afterMs: number): void {
    if (this.closeTimer !== undefined) return;
    this.closeTimer = this.context.ports.timers.setTimeout(() => this.leaveSocket(), afterMs);
    this.closeTimer.unref();
  }

  /** Writes what is left and ends the socket. */
  private leaveSocket(): void {
    this.reader.stop();
    this.outbox.flush();
    this.setState({ name: 'closed' });
    this.stopTimers();
    this.socket.end();
    // A peer that does not read what is left must not keep the socket for ever.
    const { limits, timers } = this.context.ports;
    this.closeTimer = timers.setTimeout(() => {
      this.socket.destroy();
      this.socketClosed();
    }, limits.closeTimeoutMs);
    this.closeTimer.unref();
  }

  private stopTimers(): void {
    this.heartbeat?.stop();
    this.heartbeat = undefined;
    if (this.closeTimer !== undefined) this.context.ports.timers.clearTimeout(this.closeTimer);
    this.closeTimer = undefined;
  }

  private hasEnded = false;

  /** The socket has closed, whoever closed it. */
  socketClosed(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.reader.stop();
    this.setState({ name: 'closed' });
    this.stopTimers();
    this.endChannels();
    this.deleteOwnQueues().catch(ignoreOperatingError);
    this.ended();
  }
}

/** What `readCommand` does not know, because channels read it in place. */
const readByChannels: ReadonlySet<MethodId> = new Set([
  Method.basicPublish,
  Method.basicAck,
  Method.basicNack,
  Method.basicReject,
]);

const HEARTBEAT_FRAME = Uint8Array.of(FrameType.heartbeat, 0, 0, 0, 0, 0, 0, 0xce);

/** There is nobody left to tell; a defect still stops the node. */
function ignoreOperatingError(thrown: unknown): void {
  asAmqpError(thrown, 0);
}
