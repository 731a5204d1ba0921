/**
 * What shards say to each other about transactions: the same steps as on the own shard (participant.ts), over the rings. The bytes are drawn in
 * shard-messages.ts. Appends and settles have no replies: what goes wrong with them is the answer to `prepare`, which follows them.
 */
import { assert } from '../../base/assert.js';
import { ByteReader } from '../../base/byte-reader.js';
import { ByteWriter } from '../../base/byte-writer.js';
import { BrokerError } from '../errors.js';
import { MAX_SETTLED_PER_REQUEST, SMALL_REPLY_BYTES } from '../limits.js';
import type { PeerLink } from '../peer-link.js';
import type { SettleOutcome } from '../ports.js';
import { consumerId } from '../requests-in.js';
import {
  Op,
  ReplyStatus,
  readError,
  readLogIds,
  readOffsets,
  writeError,
  writeLogIds,
  writeOffsets,
} from '../shard-messages.js';
import type { TransactionKey } from './keys.js';
import type { StepDone, TransactionParticipant } from './participant.js';

/** The coordinator's way to one participant, near or far. */
export interface ParticipantWay {
  append(key: TransactionKey, logIds: readonly number[], bytes: Uint8Array): void;
  /** `consumer`: its number on the coordinator's shard. */
  settle(
    key: TransactionKey,
    logId: number,
    consumer: number,
    offsets: readonly number[],
    outcome: SettleOutcome,
  ): void;
  prepare(key: TransactionKey, isDurable: boolean, done: StepDone): void;
  /** `done` when it is applied; with an error when the decision must be kept. */
  complete(key: TransactionKey, isCommit: boolean, done: StepDone): void;
  barrier(done: StepDone): void;
}

/** The way to the participant on the coordinator's own shard. */
export class NearParticipant implements ParticipantWay {
  private readonly participant: TransactionParticipant;
  private readonly shard: number;

  constructor(participant: TransactionParticipant, shard: number) {
    this.participant = participant;
    this.shard = shard;
  }

  append(key: TransactionKey, logIds: readonly number[], bytes: Uint8Array): void {
    this.participant.append(key, logIds, bytes);
  }

  settle(
    key: TransactionKey,
    logId: number,
    consumer: number,
    offsets: readonly number[],
    outcome: SettleOutcome,
  ): void {
    this.participant.settle(key, logId, consumerId(this.shard, consumer), offsets, outcome);
  }

  prepare(key: TransactionKey, isDurable: boolean, done: StepDone): void {
    this.participant.prepare(key, isDurable, done);
  }

  complete(key: TransactionKey, isCommit: boolean, done: StepDone): void {
    done(this.participant.complete(key, isCommit, this.shard) ? undefined : owing());
  }

  barrier(done: StepDone): void {
    this.participant.barrier(this.shard, done);
  }
}

/** The way to another shard's participant. */
export class FarParticipant implements ParticipantWay {
  private readonly link: PeerLink;
  private readonly head = new ByteWriter(256);

  constructor(link: PeerLink) {
    this.link = link;
  }

  append(key: TransactionKey, logIds: readonly number[], bytes: Uint8Array): void {
    const head = this.begin(Op.transactionAppend, key);
    writeLogIds(head, logIds);
    this.link.request(head.view(), bytes, 0, undefined);
  }

  settle(
    key: TransactionKey,
    logId: number,
    consumer: number,
    offsets: readonly number[],
    outcome: SettleOutcome,
  ): void {
    for (let from = 0; from < offsets.length; from += MAX_SETTLED_PER_REQUEST) {
      const head = this.begin(Op.transactionSettle, key);
      head.u32(logId);
      head.u32(consumer);
      head.u8(outcome);
      writeOffsets(head, offsets.slice(from, from + MAX_SETTLED_PER_REQUEST));
      this.link.request(head.view(), undefined, 0, undefined);
    }
  }

  prepare(key: TransactionKey, isDurable: boolean, done: StepDone): void {
    this.ask(this.begin(Op.transactionPrepare, key), isDurable, done);
  }

  complete(key: TransactionKey, isCommit: boolean, done: StepDone): void {
    this.ask(this.begin(Op.transactionComplete, key), isCommit, done);
  }

  barrier(done: StepDone): void {
    const head = this.head.reset();
    head.u8(Op.transactionBarrier);
    this.link.request(head.view(), undefined, SMALL_REPLY_BYTES, (reply) => done(outcomeOf(reply)));
  }

  private begin(op: number, { producerId, epoch }: TransactionKey): ByteWriter {
    const head = this.head.reset();
    head.u8(op);
    head.i64(producerId);
    head.u16(epoch);
    return head;
  }

  private ask(head: ByteWriter, flag: boolean, done: StepDone): void {
    head.u8(flag ? 1 : 0);
    this.link.request(head.view(), undefined, SMALL_REPLY_BYTES, (reply) => done(outcomeOf(reply)));
  }
}

/** Answers what the coordinator on another shard asks. One per peer. */
export class TransactionRequests {
  private readonly participant: TransactionParticipant;
  private readonly link: PeerLink;
  private readonly reader = new ByteReader(new Uint8Array(0));
  private readonly writer = new ByteWriter(512);

  constructor(participant: TransactionParticipant, link: PeerLink) {
    this.participant = participant;
    this.link = link;
  }

  /** Returns false when the op is none of transactions. */
  handle(correlation: number | undefined, head: Uint8Array, body: Uint8Array | undefined): boolean {
    const op = head[0]!;
    if (op < Op.transactionAppend || op > Op.transactionBarrier) return false;
    const reader = this.reader.reset(head);
    reader.u8();
    if (op === Op.transactionBarrier) {
      this.participant.barrier(this.link.shard, this.answer(correlation));
      return true;
    }
    const key = { producerId: reader.i64(), epoch: reader.u16() };
    if (op === Op.transactionAppend) {
      const logIds = readLogIds(reader);
      this.participant.append(key, logIds, body ?? reader.view(reader.remaining));
    } else if (op === Op.transactionSettle) this.settle(key, reader);
    else if (op === Op.transactionPrepare) {
      this.participant.prepare(key, reader.u8() === 1, this.answer(correlation));
    } else {
      const isComplete = this.participant.complete(key, reader.u8() === 1, this.link.shard);
      this.answer(correlation)(isComplete ? undefined : owing());
    }
    return true;
  }

  private settle(key: TransactionKey, reader: ByteReader): void {
    const logId = reader.u32();
    const consumer = consumerId(this.link.shard, reader.u32());
    const outcome = reader.u8() as SettleOutcome;
    this.participant.settle(key, logId, consumer, readOffsets(reader), outcome);
  }

  private answer(correlation: number | undefined): StepDone {
    assert(correlation !== undefined, 'A step of a transaction came without a correlation');
    return (error) => {
      const writer = this.writer.reset();
      writer.u8(error === undefined ? ReplyStatus.done : ReplyStatus.error);
      if (error !== undefined) writeError(writer, error);
      this.link.reply(correlation, writer.view());
    };
  }
}

function owing(): BrokerError {
  return new BrokerError('no-space', 'A log could not take the end of a transaction yet');
}

function outcomeOf(reply: ByteReader): BrokerError | undefined {
  return reply.u8() === ReplyStatus.done ? undefined : readError(reply);
}
