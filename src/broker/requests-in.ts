/**
 * Answers what other shards ask of the logs that this one owns.
 */
import { assert } from '../base/assert.js';
import { ByteReader } from '../base/byte-reader.js';
import { ByteWriter } from '../base/byte-writer.js';
import { countPartition, describePartition, purgePartition } from './administration.js';
import { answerDelayRequest } from './delay/requests.js';
import { BrokerError } from './errors.js';
import { holdersOfPartition } from './holders.js';
import type { PartitionOwner } from './partition-owner.js';
import type { PeerLink } from './peer-link.js';
import type { CommittedOffset, DurabilityLevel, PublishListener, SettleOutcome } from './ports.js';
import { RemoteConsumer } from './remote-consumer.js';
import {
  type AdminRequest,
  adminJson,
  ConsumeFlag,
  CreditKind,
  Op,
  parseAdminJson,
  ReplyStatus,
  readLabel,
  readLogIds,
  readOffsets,
  writeError,
} from './shard-messages.js';

/** Consumers are numbered per session shard; on the owner the shard is part of the number. */
export const CONSUMERS_PER_SHARD = 2 ** 32;

/** The owner's name for a consumer of a shard. */
export function consumerId(shard: number, consumer: number): number {
  return shard * CONSUMERS_PER_SHARD + consumer;
}

/** Some requests make no sense without a reply; a shard that sends one without is broken. */
function wanted(correlation: number | undefined): number {
  assert(correlation !== undefined, 'A request that must be answered came without a correlation');
  return correlation;
}

/** See the top of this file. One per peer. */
export class RequestsIn implements PublishListener {
  private readonly owner: PartitionOwner;
  private readonly link: PeerLink;
  private readonly reader = new ByteReader(new Uint8Array(0));
  private readonly writer = new ByteWriter(512);

  constructor(owner: PartitionOwner, link: PeerLink) {
    this.owner = owner;
    this.link = link;
  }

  /** Handles one request for a log of this shard. Returns false when the op is none of the owner's. */
  handle(correlation: number | undefined, head: Uint8Array, body: Uint8Array | undefined): boolean {
    const reader = this.reader.reset(head);
    switch (reader.u8()) {
      case Op.append:
        this.append(wanted(correlation), reader, body);
        return true;
      case Op.appendMany:
        this.appendMany(wanted(correlation), reader, body);
        return true;
      case Op.get:
        this.get(reader);
        return true;
      case Op.consume:
        this.consume(wanted(correlation), reader);
        return true;
      case Op.credit:
        this.credit(correlation, reader);
        return true;
      case Op.settle:
        this.settle(correlation, reader);
        return true;
      case Op.cancel:
        this.owner.cancel(reader.u32(), consumerId(this.link.shard, reader.u32()), reader.u8() === 1);
        return true;
      case Op.admin:
        // A shard sends what its RequestsOut has written.
        this.admin(wanted(correlation), parseAdminJson(reader.utf8(reader.remaining)) as AdminRequest);
        return true;
      default:
        return false;
    }
  }

  /** The outcome of an append for the peer; `token` is its correlation. */
  published(
    token: number,
    _partition: number,
    baseOffset: number,
    count: number,
    reached: DurabilityLevel,
    duplicate: boolean,
  ): void {
    const writer = this.writer.reset();
    writer.u8(ReplyStatus.appended);
    writer.i64(baseOffset);
    writer.u32(count);
    writer.u8(reached);
    writer.u8(duplicate ? 1 : 0);
    this.link.reply(token, writer.view());
  }

  publishFailed(token: number, error: BrokerError): void {
    this.replyError(token, error);
  }

  private append(correlation: number, reader: ByteReader, body: Uint8Array | undefined): void {
    const logId = reader.u32();
    const level = reader.u8() as DurabilityLevel;
    this.owner.append(logId, body ?? reader.view(reader.remaining), level, correlation, this);
  }

  private appendMany(correlation: number, reader: ByteReader, body: Uint8Array | undefined): void {
    const level = reader.u8() as DurabilityLevel;
    const logIds = readLogIds(reader);
    this.owner.appendMany(logIds, body ?? reader.view(reader.remaining), level, correlation, this);
  }

  /** Answered by `got` messages, in order with the deliveries. */
  private get(reader: ByteReader): void {
    const logId = reader.u32();
    const consumer = reader.u32();
    const automaticAck = reader.u8() === 1;
    const label = reader.remaining > 0 ? readLabel(reader) : undefined;
    const partition = this.owner.get(logId)?.partition ?? 0;
    const open = (): RemoteConsumer => new RemoteConsumer(this.link, consumer, partition);
    try {
      this.owner.poll(logId, consumerId(this.link.shard, consumer), automaticAck, open, label);
    } catch (error) {
      open().got(-1, asBrokerError(error));
    }
  }

  private consume(correlation: number, reader: ByteReader): void {
    const logId = reader.u32();
    const consumer = reader.u32();
    const flags = reader.u8();
    const credit = reader.u32();
    const priority = reader.i32();
    const label = readLabel(reader);
    const automaticAck = (flags & ConsumeFlag.automaticAck) !== 0;
    const isExclusive = (flags & ConsumeFlag.exclusive) !== 0;
    try {
      const sink = new RemoteConsumer(this.link, consumer, this.owner.require(logId).partition);
      const terms = { automaticAck, credit, isExclusive, priority, label };
      this.owner.consume(logId, consumerId(this.link.shard, consumer), terms, sink);
      this.replyDone(correlation);
    } catch (error) {
      this.replyError(correlation, asBrokerError(error));
    }
  }

  private credit(correlation: number | undefined, reader: ByteReader): void {
    const logId = reader.u32();
    const consumer = consumerId(this.link.shard, reader.u32());
    const kind = reader.u8();
    const count = reader.u32();
    if (kind === CreditKind.grant) this.owner.grant(logId, consumer, count);
    else if (kind === CreditKind.prefetch) this.owner.setPrefetch(logId, consumer, count);
    else {
      const { free, owed } = this.owner.revoke(logId, consumer, count);
      const writer = this.writer.reset();
      writer.u8(ReplyStatus.revoked);
      writer.u32(free);
      writer.u32(owed);
      this.link.reply(wanted(correlation), writer.view());
    }
  }

  private settle(correlation: number | undefined, reader: ByteReader): void {
    const logId = reader.u32();
    const consumer = consumerId(this.link.shard, reader.u32());
    const outcome = reader.u8() as SettleOutcome;
    const offsets = readOffsets(reader);
    const done = correlation === undefined ? undefined : (error?: BrokerError) => this.replyOutcome(correlation, error);
    this.owner.settle(logId, consumer, offsets, outcome, done);
  }

  private admin(correlation: number, request: AdminRequest): void {
    answerAdmin(this.owner, request).then(
      (answer) => this.replyJson(correlation, answer),
      (error: unknown) => this.replyError(correlation, asBrokerError(error)),
    );
  }

  private replyOutcome(correlation: number, error: BrokerError | undefined): void {
    if (error === undefined) this.replyDone(correlation);
    else this.replyError(correlation, error);
  }

  private replyDone(correlation: number): void {
    const writer = this.writer.reset();
    writer.u8(ReplyStatus.done);
    this.link.reply(correlation, writer.view());
  }

  private replyJson(correlation: number, answer: unknown): void {
    const writer = this.writer.reset();
    writer.u8(ReplyStatus.json);
    writer.utf8(adminJson(answer));
    this.link.reply(correlation, writer.view());
  }

  private replyError(correlation: number, error: BrokerError): void {
    const writer = this.writer.reset();
    writer.u8(ReplyStatus.error);
    writeError(writer, error);
    this.link.reply(correlation, writer.view());
  }
}

/** Carries an administrative request out on the owner; used for near and far callers alike. */
export async function answerAdmin(owner: PartitionOwner, request: AdminRequest): Promise<unknown> {
  switch (request.kind) {
    case 'describe':
      return describePartition(owner.require(request.logId), owner.shard);
    case 'counts':
      return countPartition(owner, request.logId);
    case 'holders':
      return holdersOfPartition(owner, request.logId, request.skip);
    case 'purge':
      return await purgePartition(owner, request.logId);
    case 'commit-offsets': {
      const { group, offset } = request;
      await owner.changeDurably(request.logId, (partition) => partition.companion.commitOffset(group, offset));
      return null;
    }
    case 'fetch-offset':
      return committedOffset(owner, request.logId, request.group);
    case 'cancel-delayed':
    case 'delayed-counts':
      return await answerDelayRequest(owner, request);
  }
}

function committedOffset(owner: PartitionOwner, logId: number, group: string): CommittedOffset {
  const partition = owner.require(logId);
  const committed = partition.companion.fetchOffset(group);
  const { offset, metadata, committedMs } = committed ?? { offset: -1, metadata: '', committedMs: 0 };
  return { partition: partition.partition, offset, metadata, committedMs };
}

/** An error as a peer may be told it; what is not the broker's own is a bug and said so. */
export function asBrokerError(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  return new BrokerError('internal', error instanceof Error ? error.message : String(error), error);
}
