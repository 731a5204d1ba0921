import { Deque } from '../../base/deque.js';
import type { Broker, FetchedBatches } from '../../broker/ports.js';
import { countMessages, decodeRecords } from './batches.js';
import type { FetchCommand } from './commands.js';
import type { DoorCounters } from './counters.js';
import { wireError } from './errors.js';
import { writeFetched } from './frame-writer.js';
import type { Outbox } from './outbox.js';
import { asReason } from './topic-subscription.js';
import { checkPartition, requiredTopic } from './topics.js';
import type { WireKind, WireRecords } from './wire-types.js';
import type { WriterPool } from './writer-pool.js';

type FetchedPartition = NonNullable<WireKind<'fetched'>['partitions']>[number];

interface OpenFetch {
  readonly id: number;
  readonly command: FetchCommand;
  readonly finished: () => void;
  cancel: (() => void) | undefined;
}

/**
 * The long polls of one session. A fetch that comes back while the socket is clogged is dropped and read again once it is empty: so many waiting
 * fetches never add up to more than the mark and one answer.
 */
export class Fetches {
  private readonly broker: Broker;
  private readonly outbox: Outbox;
  private readonly counters: DoorCounters;
  private readonly writers: WriterPool;
  private readonly open = new Set<OpenFetch>();
  private readonly held = new Deque<OpenFetch>();

  constructor(broker: Broker, outbox: Outbox, counters: DoorCounters, writers: WriterPool) {
    this.writers = writers;
    this.broker = broker;
    this.outbox = outbox;
    this.counters = counters;
  }

  /** Starts a fetch; `finished` runs after its answer. @throws BrokerError `not-found` when there is nothing to read from. */
  start(id: number, command: FetchCommand, finished: () => void): void {
    const topic = requiredTopic(this.broker, command.from, command.vhost);
    for (const { partition } of command.positions) checkPartition(topic, partition);
    const fetch = { id, command, finished, cancel: undefined };
    this.open.add(fetch);
    this.read(fetch, command.minBytes, command.maxWaitMs);
  }

  private read(fetch: OpenFetch, minBytes: number, maxWaitMs: number): void {
    const { command } = fetch;
    const topic = this.broker.topic(command.from);
    if (topic === undefined) {
      // Deleted while the answer was held back: an empty one lets the client find out with its next request.
      this.answer(fetch, []);
      return;
    }
    const limits = { maxBytes: command.maxBytes, minBytes, maxWaitMs };
    let isDone = false;
    const cancel = this.broker.fetch(topic, command.positions, limits, (fetched) => {
      isDone = true;
      fetch.cancel = undefined;
      if (!this.open.has(fetch)) return;
      if (this.outbox.isClogged) this.held.pushBack(fetch);
      else this.answer(fetch, fetched);
    });
    if (!isDone) fetch.cancel = cancel;
  }

  private answer(fetch: OpenFetch, fetched: readonly FetchedBatches[]): void {
    const { command, id } = fetch;
    const isRaw = this.outbox.form === 'binary' && !command.decoded;
    if (isRaw && fetched.every(({ error }) => error === undefined)) {
      this.answerRaw(id, command, fetched);
      this.open.delete(fetch);
      fetch.finished();
      return;
    }
    const partitions = fetched.map((part) => this.partition(fetch.command, part));
    this.open.delete(fetch);
    this.outbox.answer(fetch.id, { fetched: { partitions } });
    fetch.finished();
  }

  /** Batches as they are stored: from the file's bytes to the socket in one copy. */
  private answerRaw(id: number, command: FetchCommand, fetched: readonly FetchedBatches[]): void {
    for (const { partition, batches } of fetched) {
      if (batches.length > 0) this.counters.messagesOut += countMessages(batches, positionOf(command, partition));
    }
    const writer = this.writers.take();
    this.outbox.sendBytes(writeFetched(writer, id, fetched));
    this.writers.give(writer);
  }

  private partition(command: FetchCommand, part: FetchedBatches): FetchedPartition {
    const { partition, logStart, end } = part;
    const from = positionOf(command, partition);
    try {
      if (part.error !== undefined) throw part.error;
      return { records: this.records(command, part, from), logStart, end };
    } catch (thrown) {
      return { records: { partition, nextOffset: from }, logStart, end, error: wireError(asReason(thrown)) };
    }
  }

  private records(command: FetchCommand, part: FetchedBatches, from: number): WireRecords {
    const { partition, batches, nextOffset } = part;
    if (command.decoded || this.outbox.form === 'text') {
      const records = decodeRecords(partition, batches, from, nextOffset);
      this.counters.messagesOut += records.messages?.length ?? 0;
      return records;
    }
    this.counters.messagesOut += countMessages(batches, from);
    return batches.length > 0 ? { partition, nextOffset, batches } : { partition, nextOffset };
  }

  /** The socket is empty again: answers that were held back are read anew. */
  drained(): void {
    // As many as are held now: one that is held back again waits for the next time.
    for (let left = this.held.length; left > 0 && !this.outbox.isClogged; left--) {
      const fetch = this.held.popFront();
      if (fetch !== undefined) this.read(fetch, 0, 0);
    }
  }

  /** Gives all of them up: the session is over. */
  cancelAll(): void {
    const open = [...this.open];
    this.open.clear();
    while (this.held.popFront());
    for (const fetch of open) fetch.cancel?.();
  }
}

function positionOf(command: FetchCommand, partition: number): number {
  return command.positions.find((position) => position.partition === partition)?.offset ?? 0;
}
