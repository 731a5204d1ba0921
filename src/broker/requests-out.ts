/**
 * The session side's requests to the shards that own logs: the same operations as on the own shard, over the rings.
 */

import { assert } from '../base/assert.js';
import type { ByteReader } from '../base/byte-reader.js';
import { ByteWriter } from '../base/byte-writer.js';
import type { BrokerError } from './errors.js';
import { ADMIN_REPLY_BYTES, MAX_SETTLED_PER_REQUEST, SMALL_REPLY_BYTES } from './limits.js';
import type { ConsumerTerms } from './partition-consumers.js';
import type { Settled } from './partition-owner.js';
import type { PeerLink } from './peer-link.js';
import type { ConsumerLabel, DurabilityLevel, PublishListener, SettleOutcome } from './ports.js';
import type { Revoked } from './queue-subscription.js';
import {
  type AdminRequest,
  adminJson,
  ConsumeFlag,
  CreditKind,
  Op,
  parseAdminJson,
  ReplyStatus,
  readError,
  writeLabel,
  writeLogIds,
  writeOffsets,
} from './shard-messages.js';

/** See the top of this file. One per peer. */
export class RequestsOut {
  private readonly link: PeerLink;
  private readonly head = new ByteWriter(256);

  constructor(link: PeerLink) {
    this.link = link;
  }

  /** Appends a verified batch to a log of the peer. */
  append(
    partition: number,
    logId: number,
    bytes: Uint8Array,
    level: DurabilityLevel,
    token: number,
    listener: PublishListener,
  ): void {
    const head = this.begin(Op.append, logId);
    head.u8(level);
    const onReply = (reply: ByteReader): void => appended(reply, partition, token, listener);
    this.link.request(head.view(), bytes, SMALL_REPLY_BYTES, onReply);
  }

  /** Appends a verified batch to several logs of the peer: it travels once. */
  appendMany(
    logIds: readonly number[],
    bytes: Uint8Array,
    level: DurabilityLevel,
    token: number,
    listener: PublishListener,
  ): void {
    const head = this.head.reset();
    head.u8(Op.appendMany);
    head.u8(level);
    writeLogIds(head, logIds);
    this.link.request(head.view(), bytes, SMALL_REPLY_BYTES, (reply) => appended(reply, 0, token, listener));
  }

  /** Opens a consumer; `done` runs when the owner has taken or refused it. */
  consume(logId: number, consumer: number, terms: ConsumerTerms, done: Settled): void {
    const head = this.begin(Op.consume, logId);
    head.u32(consumer);
    head.u8((terms.automaticAck ? ConsumeFlag.automaticAck : 0) | (terms.isExclusive ? ConsumeFlag.exclusive : 0));
    head.u32(terms.credit);
    head.i32(terms.priority);
    writeLabel(head, terms.label);
    this.link.request(head.view(), undefined, SMALL_REPLY_BYTES, (reply) => done(outcome(reply)));
  }

  /** Asks for one message; it is answered by `got`, in order with deliveries. `label` goes with the first one. */
  get(logId: number, consumer: number, automaticAck: boolean, label: ConsumerLabel | undefined): void {
    const head = this.begin(Op.get, logId);
    head.u32(consumer);
    head.u8(automaticAck ? 1 : 0);
    if (label !== undefined) writeLabel(head, label);
    this.link.request(head.view(), undefined, 0, undefined);
  }

  setPrefetch(logId: number, consumer: number, total: number): void {
    this.credit(logId, consumer, CreditKind.prefetch, total, undefined);
  }

  grant(logId: number, consumer: number, count: number): void {
    this.credit(logId, consumer, CreditKind.grant, count, undefined);
  }

  /** Takes credit back; `done` gets what the owner gave up. */
  revoke(logId: number, consumer: number, count: number, done: (revoked: Revoked) => void): void {
    this.credit(logId, consumer, CreditKind.revoke, count, (reply) => {
      assert(reply.u8() === ReplyStatus.revoked, 'A revocation was answered with something else');
      done({ free: reply.u32(), owed: reply.u32() });
    });
  }

  /** In requests of bounded size; they are carried out in order, so that the answer to the last one stands for all. */
  settle(
    logId: number,
    consumer: number,
    offsets: readonly number[],
    settleOutcome: SettleOutcome,
    done: Settled | undefined,
  ): void {
    let from = 0;
    for (; offsets.length - from > MAX_SETTLED_PER_REQUEST; from += MAX_SETTLED_PER_REQUEST) {
      const part = offsets.slice(from, from + MAX_SETTLED_PER_REQUEST);
      this.settlePart(logId, consumer, part, settleOutcome, undefined);
    }
    this.settlePart(logId, consumer, from === 0 ? offsets : offsets.slice(from), settleOutcome, done);
  }

  cancel(logId: number, consumer: number, keepHeld: boolean): void {
    const head = this.begin(Op.cancel, logId);
    head.u32(consumer);
    head.u8(keepHeld ? 1 : 0);
    this.link.request(head.view(), undefined, 0, undefined);
  }

  admin(request: AdminRequest): Promise<unknown> {
    const head = this.head.reset();
    head.u8(Op.admin);
    head.utf8(adminJson(request));
    return new Promise((resolve, reject) => {
      this.link.request(head.view(), undefined, ADMIN_REPLY_BYTES, (reply) => {
        if (reply.u8() === ReplyStatus.json) resolve(parseAdminJson(reply.utf8(reply.remaining)));
        else reject(readError(reply));
      });
    });
  }

  private settlePart(
    logId: number,
    consumer: number,
    offsets: readonly number[],
    settleOutcome: SettleOutcome,
    done: Settled | undefined,
  ): void {
    const head = this.begin(Op.settle, logId);
    head.u32(consumer);
    head.u8(settleOutcome);
    writeOffsets(head, offsets);
    const onReply = done === undefined ? undefined : (reply: ByteReader) => done(outcome(reply));
    this.link.request(head.view(), undefined, onReply === undefined ? 0 : SMALL_REPLY_BYTES, onReply);
  }

  private begin(op: number, logId: number): ByteWriter {
    const head = this.head.reset();
    head.u8(op);
    head.u32(logId);
    return head;
  }

  private credit(
    logId: number,
    consumer: number,
    kind: number,
    count: number,
    onReply: ((reply: ByteReader) => void) | undefined,
  ): void {
    const head = this.begin(Op.credit, logId);
    head.u32(consumer);
    head.u8(kind);
    head.u32(count);
    this.link.request(head.view(), undefined, onReply === undefined ? 0 : SMALL_REPLY_BYTES, onReply);
  }
}

/** Hands the reply to an append to its publisher. */
function appended(reply: ByteReader, partition: number, token: number, listener: PublishListener): void {
  if (reply.u8() !== ReplyStatus.appended) {
    listener.publishFailed(token, readError(reply));
    return;
  }
  const baseOffset = reply.i64();
  const count = reply.u32();
  const reached = reply.u8() as DurabilityLevel;
  listener.published(token, partition, baseOffset, count, reached, reply.u8() === 1);
}

/** A reply of `done` or `error`. */
function outcome(reply: ByteReader): BrokerError | undefined {
  const status = reply.u8();
  if (status === ReplyStatus.done) return undefined;
  assert(status === ReplyStatus.error, `A reply has status ${status} where done or error is due`);
  return readError(reply);
}
