import { ClientError, invalidUse } from './errors.js';
import type { Lane, ProducerIdentity } from './lane.js';
import * as limits from './limits.js';
import { asMessage, type DurabilityName, durabilityLevel, type Outgoing } from './outgoing.js';
import type { PublishWindow } from './publish-window.js';
import { type Completion, ManyCompletion, type Receipt, SingleCompletion } from './receipts.js';
import type { Flush } from './sealed-batch.js';
import type { Participant, Session } from './session.js';
import { Target, type TargetPort } from './target.js';
import type { Topics } from './topics.js';
import { afterTurn } from './turn.js';

/** How a producer works. */
export interface ProducerOptions {
  /** The topic or queue that messages go to unless a call says otherwise. */
  readonly to?: string;
  /** Default true: what is sent again after a lost connection is neither stored twice nor out of order. False: at least once. */
  readonly idempotent?: boolean;
  /** How long messages wait for company, in milliseconds. Default 0: for those of the same turn of the event loop. */
  readonly lingerMs?: number;
  /** Size from which a batch does not wait any longer, in bytes. Default 128 KiB. */
  readonly maxBatchBytes?: number;
  /** Batches in flight per partition; at most and by default 5, which is what a node can tell apart when they come again. */
  readonly maxInFlight?: number;
  /** Bytes of messages without an outcome from which on `send` waits. Default 32 MiB. */
  readonly maxBufferedBytes?: number;
  /** Time from acceptance to confirm, in milliseconds; then the message fails with `timeout`. Default 120,000. */
  readonly deliveryTimeoutMs?: number;
  /** Durability unless a call says otherwise; default the topic's. */
  readonly durability?: DurabilityName;
}

/** Where and how safely a message goes, where it differs from the producer's own. */
export interface SendOptions {
  readonly to?: string;
  readonly durability?: DurabilityName;
}

/** What `enqueue` may exceed the buffer by before it throws: programs that never wait for room must end somewhere. */
const OVERCOMMIT = 2;

/**
 * Publishes in batches. Messages keep their order per partition; connections may come and go meanwhile. Each `send` resolves when the node has
 * stored the message as safely as asked.
 */
export class Producer implements Participant {
  private readonly session: Session;
  private readonly topics: Topics;
  private readonly options: ProducerOptions;
  private readonly port: TargetPort;
  private readonly targets = new Map<string, Target>();
  private readonly lingerMs: number;
  private readonly maxBufferedBytes: number;
  private readonly left: (producer: Producer) => void;
  private lastTarget: Target | undefined;
  private gathering: Lane[] = [];
  private identity: Promise<ProducerIdentity> | undefined;
  private bufferedBytes = 0;
  private expiry: ReturnType<typeof setInterval> | undefined;
  private readonly roomWaiters: (() => void)[] = [];
  private readonly acceptWaiters: (() => void)[] = [];
  private failures = 0;
  private failure: ClientError | undefined;
  private closedBy: ClientError | undefined;
  private isDraining = false;

  /** For `Client.producer`. */
  constructor(session: Session, topics: Topics, options: ProducerOptions, left: (producer: Producer) => void) {
    this.session = session;
    this.topics = topics;
    this.options = options;
    this.left = left;
    this.lingerMs = options.lingerMs ?? 0;
    this.maxBufferedBytes = options.maxBufferedBytes ?? limits.PRODUCER_BUFFER_BYTES;
    if (options.durability !== undefined) durabilityLevel(options.durability);
    this.port = this.makePort();
    session.join(this);
  }

  private makePort(): TargetPort {
    const { session } = this;
    const isIdempotent = this.options.idempotent ?? true;
    const maxInFlight = this.options.maxInFlight ?? limits.MAX_IDEMPOTENT_IN_FLIGHT;
    const maxBatchBytes = this.options.maxBatchBytes ?? limits.BATCH_BYTES;
    const hasRoom = (): boolean => this.bufferedBytes < this.maxBufferedBytes;
    return {
      window: session.window satisfies PublishWindow,
      maxInFlight: isIdempotent ? Math.min(maxInFlight, limits.MAX_IDEMPOTENT_IN_FLIGHT) : maxInFlight,
      deliveryTimeoutMs: this.options.deliveryTimeoutMs ?? limits.DELIVERY_TIMEOUT_MS,
      isIdempotent,
      get maxBatchBytes() {
        const frame = session.welcome.limits?.maxFrameBytes ?? Number.POSITIVE_INFINITY;
        return Math.min(maxBatchBytes, frame - limits.FRAME_OVERHEAD_BYTES);
      },
      get maxMessageBytes() {
        return session.welcome.limits?.maxMessageBytes ?? Number.POSITIVE_INFINITY;
      },
      get hasRoom() {
        return hasRoom();
      },
      nextId: () => session.nextId(),
      newIdentity: () => this.requestIdentity(),
      buffered: (bytes) => this.buffered(bytes),
      failedUnheard: (count, error) => this.failedUnheard(count, error),
      sealed: (lane) => this.targets.get(lane.to)?.sealed(lane.partition),
      resolve: (to) => this.resolve(to, isIdempotent),
      gathering: (lane) => this.gather(lane),
      dropped: (lane, error) => this.dropped(lane, error),
      accepted: () => {
        for (const waiter of this.acceptWaiters.splice(0)) waiter();
        this.wakeRoomWaiters();
      },
    };
  }

  private async requestIdentity(): Promise<ProducerIdentity> {
    const answer = await this.session.requests.request({ initProducer: {} }, 'producer', { resend: true });
    return { producerId: answer.producerId ?? 0, epoch: answer.epoch ?? 0 };
  }

  private async resolve(
    to: string,
    isIdempotent: boolean,
  ): Promise<{ partitions: number; identity: ProducerIdentity }> {
    if (isIdempotent && this.identity === undefined) {
      this.identity = this.requestIdentity();
      // The next message asks again; this one hears of it below.
      this.identity.catch(() => {
        this.identity = undefined;
      });
    }
    const none = { producerId: -1, epoch: -1 };
    const [partitions, identity] = await Promise.all([this.topics.partitions(to), this.identity ?? none]);
    return { partitions, identity };
  }

  /**
   * Publishes one message; resolves once it is stored as safely as asked. May be called without awaiting: messages of one turn form one batch.
   * @throws ClientError as rejection.
   */
  send(message: Outgoing, options?: SendOptions): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.accept(message, options, new SingleCompletion(resolve, reject), 0);
    });
  }

  /**
   * Publishes many messages; resolves with their receipts in the same order.
   * @throws ClientError as rejection, once all have an outcome and one of them failed.
   */
  sendMany(messages: readonly Outgoing[], options?: SendOptions): Promise<Receipt[]> {
    if (messages.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const completion = new ManyCompletion(messages.length, resolve, reject);
      for (let index = 0; index < messages.length; index++) this.accept(messages[index]!, options, completion, index);
    });
  }

  /**
   * Publishes one message at the least cost: there is no promise, `flush` tells whether all went well. Returns false when the buffer is full:
   * then await `ready` before the next one.
   * @throws ClientError `buffer-full` when that is ignored for long, or `closed`.
   */
  enqueue(message: Outgoing, options?: SendOptions): boolean {
    const heldBytes = this.heldBytes();
    if (heldBytes >= this.maxBufferedBytes * OVERCOMMIT) {
      throw new ClientError('buffer-full', `The producer holds ${heldBytes} bytes that are not confirmed yet`);
    }
    this.accept(message, options, undefined, 0);
    return this.heldBytes() < this.maxBufferedBytes;
  }

  /** What has no outcome yet, with what is kept back because the partitions are not known or the buffer is full. */
  private heldBytes(): number {
    let bytes = this.bufferedBytes;
    for (const target of this.targets.values()) bytes += target.waitingBytes;
    return bytes;
  }

  private wakeRoomWaiters(): void {
    if (this.roomWaiters.length === 0 || this.heldBytes() >= this.maxBufferedBytes) return;
    for (const waiter of this.roomWaiters.splice(0)) waiter();
  }

  private accept(
    outgoing: Outgoing,
    options: SendOptions | undefined,
    completion: Completion | undefined,
    at: number,
  ): void {
    const to = options?.to ?? this.options.to;
    const refusal = this.refusal(to);
    if (refusal !== undefined) {
      if (completion === undefined) throw refusal;
      completion.failed(1, refusal);
      return;
    }
    const durability = durabilityLevel(options?.durability ?? this.options.durability);
    this.target(to!).add(asMessage(outgoing), durability, completion, at);
  }

  private refusal(to: string | undefined): ClientError | undefined {
    if (this.closedBy !== undefined) return this.closedBy;
    if (this.isDraining) return new ClientError('closed', 'The producer is closing');
    return to === undefined || to === '' ? invalidUse('The message names no topic or queue') : undefined;
  }

  private target(to: string): Target {
    if (this.lastTarget?.to === to) return this.lastTarget;
    let target = this.targets.get(to);
    if (target === undefined) {
      target = new Target(this.port, to);
      this.targets.set(to, target);
    }
    this.lastTarget = target;
    return target;
  }

  private gather(lane: Lane): void {
    this.gathering.push(lane);
    if (this.gathering.length > 1) return;
    if (this.lingerMs === 0) afterTurn(() => this.release());
    else setTimeout(() => this.release(), this.lingerMs);
  }

  /** The wait for company is over. */
  private release(): void {
    const lanes = this.gathering;
    this.gathering = [];
    for (const lane of lanes) lane.makeDue();
  }

  private buffered(bytes: number): void {
    this.bufferedBytes += bytes;
    if (bytes > 0) {
      this.expiry ??= setInterval(() => this.expire(), limits.EXPIRY_CHECK_MS);
      return;
    }
    if (this.bufferedBytes >= this.maxBufferedBytes) return;
    for (const target of this.targets.values()) if (target.isWaiting) target.drain();
    this.wakeRoomWaiters();
    if (this.bufferedBytes > 0) return;
    clearInterval(this.expiry);
    this.expiry = undefined;
  }

  private expire(): void {
    const now = Date.now();
    for (const lane of this.lanes()) lane.expire(now);
  }

  private *lanes(): Iterable<Lane> {
    for (const target of this.targets.values()) yield* target.lanes.values();
  }

  private dropped(lane: Lane, error: ClientError): void {
    if (error.code !== 'not-found') return;
    this.topics.forget(lane.to);
    this.targets.get(lane.to)?.forget();
  }

  private failedUnheard(count: number, error: ClientError): void {
    this.failures += count;
    this.failure ??= error;
  }

  /** Resolves when the buffer has room. */
  ready(): Promise<void> {
    if (this.heldBytes() < this.maxBufferedBytes || this.closedBy !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.roomWaiters.push(resolve));
  }

  /**
   * Sends everything accepted so far without further waiting, and resolves when all of it has an outcome.
   * @throws ClientError as rejection: the first failure among messages given to `enqueue` since the last flush.
   */
  async flush(): Promise<void> {
    await this.whenAccepted();
    await new Promise<void>((done) => {
      // One too many, so that it is not done before all lanes have been asked.
      const flush: Flush = { left: 1, done };
      for (const lane of this.lanes()) {
        lane.note(flush);
        lane.makeDue();
      }
      if (--flush.left === 0) done();
    });
    this.throwFailure();
  }

  private throwFailure(): void {
    const { failure, failures } = this;
    if (failure === undefined) return;
    this.failure = undefined;
    this.failures = 0;
    throw new ClientError(failure.code, `${failures} messages failed, the first one: ${failure.message}`, failure);
  }

  /** Waits until nothing is kept back. */
  private async whenAccepted(): Promise<void> {
    while (this.closedBy === undefined && [...this.targets.values()].some((target) => target.isWaiting)) {
      await new Promise<void>((resolve) => this.acceptWaiters.push(resolve));
    }
  }

  opened(): void {
    for (const lane of this.lanes()) lane.pump();
  }

  lost(): void {
    for (const lane of this.lanes()) lane.lost();
  }

  closed(error: ClientError): void {
    if (this.closedBy !== undefined) return;
    this.closedBy = error;
    for (const target of this.targets.values()) {
      for (const lane of target.lanes.values()) lane.close(error);
      target.failWaiting(error);
    }
    clearInterval(this.expiry);
    for (const waiter of this.roomWaiters.splice(0)) waiter();
  }

  /**
   * Takes nothing more, waits for what was accepted, and fails what has no outcome after `timeoutMs`.
   * @throws ClientError as rejection as `flush` does.
   */
  async close(timeoutMs: number = limits.CLOSE_TIMEOUT_MS): Promise<void> {
    if (this.closedBy !== undefined) return;
    this.isDraining = true;
    const timer = setTimeout(() => this.closed(new ClientError('closed', 'The producer was closed')), timeoutMs);
    try {
      await this.flush();
    } finally {
      clearTimeout(timer);
      this.session.leave(this);
      this.closed(new ClientError('closed', 'The producer was closed'));
      this.left(this);
    }
  }
}
