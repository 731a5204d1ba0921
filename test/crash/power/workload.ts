/** What clients do to a simulated node in one life, at random; each operation writes down what it was promised. */
import type { Prng } from '../../../src/base/prng.js';
import { BrokerError } from '../../../src/broker/errors.js';
import {
  type ConsumerHandle,
  type Declaration,
  DurabilityLevel,
  type QueueConsumer,
  SettleOutcome,
  type TopicEntry,
} from '../../../src/broker/ports.js';
import { BatchBuilder } from '../../../src/record/batch-builder.js';
import type { Safety } from './log-promises.js';
import { type IdempotentPublisher, listener, messageValue, type SequencedBatch } from './publishers.js';
import { readLog, textOf } from './read-log.js';
import type { SimulatedNode } from './simulated-node.js';
import { safetyOf, TrackedLog, type TrackedTopic } from './tracked-log.js';
import { promised } from './violation.js';

const encoder = new TextEncoder();
const PLAIN_PUBLISHERS = ['a', 'b', 'c'];
const GROUPS = ['readers', 'auditors'];
const SEGMENT_BYTES = 16 * 1024;

/** What a run has done, for the report. */
export interface WorkCounts {
  published: number;
  confirmedInMemory: number;
  confirmedOnDisk: number;
  refused: number;
  resentBatches: number;
  deliveries: number;
  needlessFlags: number;
  settled: number;
  settledConfirmed: number;
  offsetCommits: number;
  declarations: number;
}

interface OpenConsumer {
  readonly id: number;
  readonly topic: TrackedTopic;
  readonly handle: ConsumerHandle;
  readonly automaticAck: boolean;
}

/** What outlives a life. */
export interface World {
  readonly prng: Prng;
  readonly topics: TrackedTopic[];
  readonly counts: WorkCounts;
  /** Publishes of hundreds of messages, so that delivery leases are used up. */
  readonly isBulky: boolean;
  nextTopic: number;
  nextConsumer: number;
  note(text: string): void;
}

/** See the top of this file. Everything stops when `isDead` says so: what is confirmed then reaches nobody. */
export class Workload {
  private readonly world: World;
  private readonly node: SimulatedNode;
  private readonly isDead: () => boolean;
  private readonly consumers: OpenConsumer[] = [];
  private readonly builder = new BatchBuilder();
  private firstViolation: unknown;

  constructor(world: World, node: SimulatedNode, isDead: () => boolean) {
    this.world = world;
    this.node = node;
    this.isDead = isDead;
  }

  /** Does something. @throws Violation */
  step(): void {
    const { prng } = this.world;
    const choice = prng.below(100);
    if (choice < 36) this.publishSome();
    else if (choice < 48) this.publishInSequence();
    else if (choice < 56) this.openConsumer();
    else if (choice < 76) this.settleSome();
    else if (choice < 79) this.cancelConsumer();
    else if (choice < 82) this.changeCredit();
    else if (choice < 88) this.commitOffset();
    else if (choice < 91) this.checkOffset();
    else if (choice < 93) this.purge();
    else if (choice < 96) this.checkpoint();
    else if (choice < 98) this.declareSomething();
    else if (choice === 98) this.attachQueue();
    else if (prng.chance(0.3)) this.deleteSomething();
  }

  /** Reads what has become visible. @throws Violation, also one that was found since the last call */
  observe(): void {
    if (this.firstViolation !== undefined) throw this.firstViolation;
    for (const log of this.liveLogs()) {
      const { end } = this.node.bounds.read(log.entry.slot);
      if (end <= log.readUpTo) continue;
      const records = readLog(this.node, log.entry.logId, log.entry.slot, log.readUpTo);
      for (const { offset, value } of records) log.messages.see(offset, value);
      log.readUpTo = end;
    }
  }

  /** Declares a topic or queue of random shape. Resolves when it is confirmed, or refused. */
  declareSomething(): void {
    const { prng, topics } = this.world;
    if (topics.filter(({ isDeleting }) => !isDeleting).length >= 7) return;
    const kind = prng.chance(0.6) ? 'queue' : 'topic';
    const name = `${kind}-${this.world.nextTopic++}`;
    const durability = prng.chance(0.3) ? DurabilityLevel.memory : DurabilityLevel.disk;
    const topic: TrackedTopic = {
      name,
      logs: [],
      isConfirmed: false,
      isAttaching: false,
      isDeleting: false,
      isDeleted: false,
    };
    topics.push(topic);
    this.declare(topic, {
      name,
      partitions: prng.chance(0.7) ? 1 : prng.between(2, 4),
      settings: { kind, durability, segmentBytes: SEGMENT_BYTES },
      passive: false,
      start: { at: 'beginning' },
    });
  }

  /** Sends again what idempotent publishers have not got confirmed. */
  resend(): void {
    for (const log of this.liveLogs()) {
      for (const publisher of log.idempotent) {
        for (const batch of [...publisher.resends()]) {
          this.world.counts.resentBatches++;
          this.sendBatch(log, publisher, batch);
        }
      }
    }
  }

  /** Publishes one message to every partition. */
  publishToAll(level: DurabilityLevel): void {
    for (const topic of this.liveTopics()) {
      for (const log of topic.logs)
        this.publish(
          topic,
          log,
          this.valuesFor(log, 1, () => this.padding()),
          level,
        );
    }
  }

  /** Opens a consumer on every queue that gets everything. */
  drainQueues(): void {
    for (const consumer of this.consumers.splice(0)) this.end(consumer);
    for (const topic of this.liveTopics()) {
      if (topic.logs.some(({ queue }) => queue !== undefined)) this.consume(topic, false, 1_000_000);
    }
  }

  /** The topics that are there and not being deleted. */
  liveTopics(): TrackedTopic[] {
    return this.world.topics.filter(
      (topic) => !topic.isDeleting && this.entryOf(topic) !== undefined && topic.logs.length > 0,
    );
  }

  /** Their partitions. */
  liveLogs(): TrackedLog[] {
    return this.liveTopics().flatMap(({ logs }) => logs);
  }

  private publishSome(): void {
    const { prng } = this.world;
    const topic = this.pick(this.liveTopics());
    if (topic === undefined) return;
    const log = prng.pick(topic.logs);
    const isBulk = this.world.isBulky && prng.chance(0.15);
    const count = isBulk ? prng.between(300, 900) : prng.between(1, 4);
    const values = this.valuesFor(log, count, () => (isBulk ? 0 : this.padding()));
    const level = prng.chance(0.5) ? DurabilityLevel.memory : DurabilityLevel.disk;
    this.world.note(`publish ${values.length} to ${log.label} at ${level}`);
    this.publish(topic, log, values, level);
  }

  private valuesFor(log: TrackedLog, count: number, padding: () => number): string[] {
    const publisher = `${this.world.prng.pick(PLAIN_PUBLISHERS)}${log.entry.logId}`;
    const first = log.serials.get(publisher) ?? 0;
    log.serials.set(publisher, first + count);
    return Array.from({ length: count }, (_, index) => messageValue(publisher, first + index, padding()));
  }

  private publish(topic: TrackedTopic, log: TrackedLog, values: readonly string[], level: DurabilityLevel): void {
    const entry = this.entryOf(topic);
    if (entry === undefined) return;
    const { counts } = this.world;
    counts.published += values.length;
    const outcome = listener(
      (base, count, reached) => this.published(log, values, base, count, reached),
      () => {
        counts.refused += values.length;
      },
    );
    const { partition } = log.entry;
    if (this.world.prng.chance(0.5)) {
      this.builder.start();
      for (const value of values) this.builder.append(null, encoder.encode(value), 1000);
      this.node.broker.publishBatch(entry, partition, this.builder.finish(), level, 1, outcome);
    } else {
      const messages = values.map((value) => ({
        key: null,
        value: encoder.encode(value),
        headers: [],
        timestampMs: 0,
      }));
      this.node.broker.publishMessages(entry, partition, messages, level, undefined, 1, outcome);
    }
  }

  private published(log: TrackedLog, values: readonly string[], base: number, count: number, reached: number): void {
    this.guarded(() => {
      promised(count === values.length, 'node-failed', () => `${count} of ${values.length} messages were confirmed`);
      const safety: Safety = reached >= DurabilityLevel.disk ? 'disk' : 'memory';
      for (const [index, value] of values.entries()) log.messages.confirm(base + index, value, safety);
      if (safety === 'disk') this.world.counts.confirmedOnDisk += count;
      else this.world.counts.confirmedInMemory += count;
    });
  }

  private publishInSequence(): void {
    const { prng } = this.world;
    const log = this.pick(this.liveLogs().filter(({ idempotent }) => idempotent.length > 0));
    const publisher = log && this.pick(log.idempotent);
    if (log === undefined || publisher === undefined) return;
    this.resend();
    if (!publisher.isReady) return;
    const batch = publisher.next(Array.from({ length: prng.between(1, 3) }, () => this.padding()));
    this.world.counts.published += batch.values.length;
    this.world.note(`publish in sequence ${publisher.name}:${batch.sequence} to ${log.label}`);
    this.sendBatch(log, publisher, batch);
    // A client that is not sure sends twice; the second one is a duplicate.
    if (prng.chance(0.1)) this.sendBatch(log, publisher, batch);
  }

  private sendBatch(log: TrackedLog, publisher: IdempotentPublisher, batch: SequencedBatch): void {
    const topic = this.liveTopics().find(({ logs }) => logs.includes(log));
    const entry = topic && this.entryOf(topic);
    if (entry === undefined) return;
    batch.state = 'sent';
    const outcome = listener(
      (base, count, reached) => {
        if (this.isDead()) return;
        publisher.confirmed(batch);
        this.published(log, batch.values, base, count, reached);
      },
      () => {
        batch.state = 'failed';
      },
    );
    this.node.broker.publishBatch(
      entry,
      log.entry.partition,
      publisher.encode(batch),
      DurabilityLevel.disk,
      1,
      outcome,
    );
  }

  private openConsumer(): void {
    const { prng } = this.world;
    const topic = this.pick(this.queues());
    if (topic === undefined || this.consumers.length >= 6) return;
    this.consume(topic, prng.chance(0.15), prng.pick([1, 3, 10, 50, 2000]));
  }

  private consume(topic: TrackedTopic, automaticAck: boolean, credit: number): void {
    const entry = this.entryOf(topic);
    if (entry?.settings.kind !== 'queue') return;
    const id = this.world.nextConsumer++;
    this.world.note(`consumer ${id} of ${topic.name}: credit ${credit}${automaticAck ? ', automatic' : ''}`);
    try {
      const consumer = this.queueConsumer(topic, id, automaticAck);
      const handle = this.node.broker.consume(entry, { automaticAck, credit }, consumer);
      this.consumers.push({ id, topic, handle, automaticAck });
    } catch (error) {
      // One of the queue's logs stopped serving.
      if (!(error instanceof BrokerError)) throw error;
    }
  }

  private queueConsumer(topic: TrackedTopic, id: number, automaticAck: boolean): QueueConsumer {
    return {
      deliver: (partition, record, redelivered, deliveryCount) => {
        const log = topic.logs[partition];
        const queue = log?.queue;
        if (log === undefined || queue === undefined) return;
        const seen = { offset: record.offset, value: textOf(record.value) };
        this.guarded(() => {
          this.world.counts.deliveries++;
          log.messages.see(seen.offset, seen.value);
          const isNeedless = queue.deliver(seen, automaticAck ? undefined : id, redelivered, deliveryCount);
          if (isNeedless) this.world.counts.needlessFlags++;
          if (automaticAck) queue.settle(seen.value);
        });
      },
      flush: () => {},
      closed: () => this.returnHeld(topic, id),
    };
  }

  /** One of a queue's logs stopped serving: it takes back what its consumers hold, and the others may do so, too. */
  private returnHeld(topic: TrackedTopic, consumer: number): void {
    for (const { queue } of topic.logs) {
      if (queue === undefined) continue;
      for (const [value, delivery] of [...queue.held]) if (delivery.consumer === consumer) queue.giveBack(value);
    }
  }

  private settleSome(): void {
    const { prng } = this.world;
    const consumer = this.pick(this.consumers.filter(({ automaticAck }) => !automaticAck));
    const log = consumer && prng.pick(consumer.topic.logs);
    const queue = log?.queue;
    if (consumer === undefined || queue === undefined) return;
    const entry = this.entryOf(consumer.topic);
    let held = [...queue.held].filter(([, delivery]) => delivery.consumer === consumer.id);
    if (entry === undefined || held.length === 0) return;
    if (prng.chance(0.3)) held = prng.shuffle(held);
    held = held.slice(0, prng.between(1, held.length));
    const values = held.map(([value]) => value);
    const isRequeue = prng.chance(0.25);
    for (const value of values) {
      if (isRequeue) queue.giveBack(value);
      else queue.settle(value);
    }
    this.world.note(`consumer ${consumer.id} ${isRequeue ? 'requeues' : 'settles'} ${values.length} of ${log?.label}`);
    const returns = values.map((value) => queue.returnsOf(value));
    this.world.counts.settled += values.length;
    const done = (error?: Error): void => {
      if (error !== undefined || this.isDead()) return;
      this.world.counts.settledConfirmed += values.length;
      const safety = safetyOf(entry);
      for (const [index, value] of values.entries()) {
        if (isRequeue) queue.confirmReturns(value, returns[index]!, safety);
        else queue.confirmSettled(value, safety);
      }
    };
    const other = prng.chance(0.2) ? SettleOutcome.discard : SettleOutcome.acknowledge;
    const outcome = isRequeue ? SettleOutcome.requeue : other;
    const offsets = held.map(([, { offset }]) => offset);
    const partition = log!.entry.partition;
    if (prng.chance(0.7)) consumer.handle.settle(partition, offsets, outcome, done);
    else consumer.handle.settle(partition, offsets, outcome);
  }

  private cancelConsumer(): void {
    const consumer = this.pick(this.consumers);
    if (consumer === undefined) return;
    this.consumers.splice(this.consumers.indexOf(consumer), 1);
    this.world.note(`consumer ${consumer.id} goes away`);
    this.end(consumer);
  }

  private end(consumer: OpenConsumer): void {
    this.returnHeld(consumer.topic, consumer.id);
    consumer.handle.cancel();
  }

  private changeCredit(): void {
    const consumer = this.pick(this.consumers);
    if (consumer === undefined) return;
    if (consumer.automaticAck) consumer.handle.addCredit(this.world.prng.between(1, 20));
    else consumer.handle.setPrefetch(this.world.prng.between(0, 100));
  }

  private commitOffset(): void {
    const { prng, counts } = this.world;
    const topic = this.pick(this.liveTopics());
    const entry = topic && this.entryOf(topic);
    if (topic === undefined || entry === undefined) return;
    const log = prng.pick(topic.logs);
    const { end } = this.node.bounds.read(log.entry.slot);
    const offset = prng.chance(0.5) ? end : prng.below(end + 1);
    const group = prng.pick(GROUPS);
    this.world.note(`${group} commits ${offset} of ${log.label}`);
    const index = log.offsets.commit(group, offset);
    const { partition } = log.entry;
    this.node.broker.commitOffsets(group, entry, [{ partition, offset, metadata: '', committedMs: 1 }]).then(
      () => {
        if (this.isDead()) return;
        counts.offsetCommits++;
        log.offsets.confirm(group, index, safetyOf(entry));
      },
      () => {},
    );
  }

  private checkOffset(): void {
    const topic = this.pick(this.liveTopics());
    const entry = topic && this.entryOf(topic);
    if (topic === undefined || entry === undefined) return;
    for (const log of topic.logs) {
      const companion = this.node.broker.owner.get(log.entry.logId)?.companion;
      for (const group of log.offsets.names()) {
        log.offsets.checkNow(group, companion?.fetchOffset(group)?.offset ?? -1);
      }
    }
  }

  private purge(): void {
    const topic = this.pick(this.queues());
    const entry = topic && this.entryOf(topic);
    if (topic === undefined || entry === undefined) return;
    this.world.note(`purge ${topic.name}`);
    const purging = this.node.broker.purge(topic.name);
    // It takes the messages of its turn, too, and with one shard it takes them at once: what is there now is what it took.
    const purged = topic.logs.map((log) => {
      const records = readLog(this.node, log.entry.logId, log.entry.slot);
      return log.queue?.purge(records) ?? [];
    });
    purging.then(
      () => {
        if (this.isDead()) return;
        for (const [index, records] of purged.entries()) {
          for (const { value } of records) topic.logs[index]?.queue?.confirmSettled(value, safetyOf(entry));
        }
      },
      () => {},
    );
  }

  private checkpoint(): void {
    const log = this.pick(this.liveLogs());
    const stored = log && this.node.storage.log(log.entry.logId);
    if (stored === undefined) return;
    this.world.note(`checkpoint ${log?.label}`);
    this.node.storage.checkpoint(stored).catch(() => {});
  }

  private attachQueue(): void {
    const { prng } = this.world;
    const topic = this.pick(this.liveTopics().filter(({ logs }) => logs.every(({ queue }) => queue === undefined)));
    if (topic === undefined || topic.isAttaching) return;
    topic.isAttaching = true;
    const start = prng.chance(0.5) ? ({ at: 'end' } as const) : ({ at: 'beginning' } as const);
    this.world.note(`queue on ${topic.name} from its ${start.at}`);
    for (const log of topic.logs) {
      const neverBelow = start.at === 'end' ? this.node.bounds.read(log.entry.slot).end : 0;
      log.queueStart = { neverBelow, belongsFrom: start.at === 'end' ? Number.POSITIVE_INFINITY : 0 };
    }
    this.declare(topic, { name: topic.name, partitions: 0, settings: { kind: 'queue' }, passive: false, start });
  }

  private deleteSomething(): void {
    const topic = this.pick(this.liveTopics());
    if (topic === undefined) return;
    this.world.note(`delete ${topic.name}`);
    topic.isDeleting = true;
    this.node.control.delete(topic.name).then(
      () => {
        if (!this.isDead()) topic.isDeleted = true;
      },
      () => {},
    );
  }

  private declare(topic: TrackedTopic, declaration: Declaration): void {
    this.world.note(`declare ${declaration.settings.kind} ${topic.name}`);
    this.node.control.declare(declaration).then(
      () => {
        if (this.isDead()) return;
        this.world.counts.declarations++;
        topic.isConfirmed = true;
        this.guarded(() => this.track(topic));
      },
      () => {},
    );
  }

  /** Takes over a topic that is declared, or has become a queue. */
  private track(topic: TrackedTopic): void {
    const entry = this.entryOf(topic);
    promised(
      entry !== undefined || topic.isDeleting,
      'declaration',
      () => `${topic.name} was declared and is not there`,
    );
    if (entry === undefined) return;
    for (const log of topic.logs) {
      const { queueStart } = log;
      // Confirmed means: what is published from now on is in the queue.
      const end = this.node.storage.log(log.entry.logId)?.nextOffset ?? 0;
      log.queueStart = { ...queueStart, belongsFrom: Math.min(queueStart.belongsFrom, end) };
    }
    trackLogs(topic, entry);
  }

  private queues(): TrackedTopic[] {
    return this.liveTopics().filter(({ logs }) => logs.every(({ queue }) => queue !== undefined));
  }

  private entryOf(topic: TrackedTopic): TopicEntry | undefined {
    return this.node.catalog.topic(topic.name);
  }

  private pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : this.world.prng.pick(items);
  }

  private padding(): number {
    const { prng } = this.world;
    const choice = prng.below(24);
    if (choice === 0) return prng.below(6000);
    return choice < 6 ? prng.below(600) : prng.below(40);
  }

  /** The broker calls back from its own code: a violation must not go through that. */
  private guarded(check: () => void): void {
    if (this.isDead()) return;
    try {
      check();
    } catch (violation) {
      this.firstViolation ??= violation;
    }
  }
}

/** Makes the promises of a topic's partitions, where they are missing. */
export function trackLogs(topic: TrackedTopic, entry: TopicEntry): void {
  for (const [index, partition] of entry.partitions.entries()) {
    const known = topic.logs[index];
    if (known === undefined) topic.logs.push(new TrackedLog(entry, partition));
    else if (entry.settings.kind === 'queue') known.becomeQueue();
  }
}
