import { Deque } from '../base/deque.js';
import { partitionForKey } from '../base/murmur2.js';
import { asClientError, type ClientError, invalidUse } from './errors.js';
import { Lane, type LanePort, type ProducerIdentity } from './lane.js';
import type { PreparedMessage } from './open-batch.js';
import { checkSize, type OutgoingMessage, recordHeaders, sizeOf, toBytes } from './outgoing.js';
import type { Completion } from './receipts.js';

/** What a target needs of its producer. */
export interface TargetPort extends LanePort {
  readonly maxMessageBytes: number;
  /** Whether the buffer has room for more messages. */
  readonly hasRoom: boolean;
  /** Finds out the number of partitions and the producer's id. */
  resolve(to: string): Promise<{ readonly partitions: number; readonly identity: ProducerIdentity }>;
  /** Messages lie in this lane that are not due yet. */
  gathering(lane: Lane): void;
  /** Nothing is kept back any more. */
  accepted(): void;
}

/** What a message kept back costs besides its bytes, about. */
const WAITING_OVERHEAD_BYTES = 64;

interface Waiting {
  readonly message: OutgoingMessage;
  readonly durability: number;
  readonly completion: Completion | undefined;
  readonly at: number;
}

/** One producer's way to one topic or queue: chooses partitions, and keeps messages back until that is possible and there is room. */
export class Target {
  readonly to: string;
  readonly lanes = new Map<number, Lane>();
  /** What the messages kept back take, about, in bytes. */
  waitingBytes = 0;
  private readonly port: TargetPort;
  private readonly waiting = new Deque<Waiting>();
  private partitions = 0;
  private identity: ProducerIdentity = { producerId: -1, epoch: -1 };
  private isResolving = false;
  /** Where messages without a key go until the batch there is finished. */
  private stickyPartition = 0;

  constructor(port: TargetPort, to: string) {
    this.port = port;
    this.to = to;
  }

  /** Whether messages are kept back. */
  get isWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** Takes a message. What is wrong with it becomes its outcome. */
  add(message: OutgoingMessage, durability: number, completion: Completion | undefined, at: number): void {
    if (this.partitions > 0 && this.waiting.length === 0 && this.port.hasRoom) {
      this.append(message, durability, completion, at);
      return;
    }
    this.waiting.pushBack({ message, durability, completion, at });
    this.waitingBytes += waitingSize(message);
    if (this.partitions === 0) this.resolve();
  }

  private resolve(): void {
    if (this.isResolving) return;
    this.isResolving = true;
    this.port.resolve(this.to).then(
      ({ partitions, identity }) => {
        this.isResolving = false;
        this.partitions = partitions;
        this.identity = identity;
        this.drain();
      },
      (thrown: unknown) => {
        this.isResolving = false;
        this.failWaiting(asClientError(thrown));
      },
    );
  }

  /** Lets in what was kept back, as far as there is room now. */
  drain(): void {
    while (this.partitions > 0 && this.port.hasRoom) {
      const next = this.waiting.popFront();
      if (next === undefined) break;
      this.waitingBytes -= waitingSize(next.message);
      this.append(next.message, next.durability, next.completion, next.at);
    }
    if (this.waiting.length === 0) this.port.accepted();
  }

  private append(message: OutgoingMessage, durability: number, completion: Completion | undefined, at: number): void {
    try {
      const prepared = this.prepare(message);
      const lane = this.lane(this.choose(message, prepared));
      lane.append(prepared, durability, completion, at);
      if (!lane.needsGathering) return;
      lane.isGathered = true;
      this.port.gathering(lane);
    } catch (thrown) {
      this.failOne(completion, asClientError(thrown));
    }
  }

  private prepare(message: OutgoingMessage): PreparedMessage {
    const { key, value, headers, timestamp } = message;
    const prepared = {
      key: key === undefined || key === null ? null : toBytes(key),
      value: value ?? null,
      valueBytes: sizeOf(value),
      headers: recordHeaders(headers),
      timestamp: timestamp ?? Date.now(),
    };
    checkSize(weight(prepared), this.port.maxMessageBytes);
    return prepared;
  }

  /** As Kafka's clients choose: by the key; without one, one partition until its batch is finished, then the next. */
  private choose(message: OutgoingMessage, prepared: PreparedMessage): number {
    const { partition } = message;
    if (partition !== undefined) {
      if (Number.isInteger(partition) && partition >= 0 && partition < this.partitions) return partition;
      throw invalidUse(`Cannot publish to partition ${partition} of "${this.to}": it has ${this.partitions}`);
    }
    if (this.partitions === 1) return 0;
    return prepared.key === null ? this.stickyPartition : partitionForKey(prepared.key, this.partitions);
  }

  private lane(partition: number): Lane {
    let lane = this.lanes.get(partition);
    if (lane === undefined) {
      lane = new Lane(this.port, this.to, partition, this.identity);
      this.lanes.set(partition, lane);
    }
    return lane;
  }

  /** A batch of this partition is finished. */
  sealed(partition: number): void {
    if (partition === this.stickyPartition) this.stickyPartition = (partition + 1) % Math.max(1, this.partitions);
  }

  /** The topic has changed or is gone: its partitions are counted anew before anything else is sent. */
  forget(): void {
    this.partitions = 0;
    if (this.waiting.length > 0) this.resolve();
  }

  /** Fails what is kept back. */
  failWaiting(error: ClientError): void {
    for (let next = this.waiting.popFront(); next !== undefined; next = this.waiting.popFront()) {
      this.failOne(next.completion, error);
    }
    this.waitingBytes = 0;
    this.port.accepted();
  }

  private failOne(completion: Completion | undefined, error: ClientError): void {
    if (completion === undefined) this.port.failedUnheard(1, error);
    else completion.failed(1, error);
  }
}

function waitingSize(message: OutgoingMessage): number {
  return WAITING_OVERHEAD_BYTES + Math.max(0, sizeOf(message.key)) + Math.max(0, sizeOf(message.value));
}

function weight(message: PreparedMessage): number {
  let bytes = (message.key?.length ?? 0) + Math.max(0, message.valueBytes);
  for (const [name, value] of message.headers) bytes += sizeOf(name) + (value?.length ?? 0);
  return bytes;
}
