/** A node that is killed again and again in the middle of its work, and is held to what it had confirmed. */
import { Prng } from '../../../src/base/prng.js';
import { LogPromises, type SeenRecord } from '../power/log-promises.js';
import { OffsetPromises } from '../power/offset-promises.js';
import { IdempotentPublisher, messageValue, type SequencedBatch } from '../power/publishers.js';
import { QueuePromises } from '../power/queue-promises.js';
import { promised } from '../power/violation.js';
import { ChildNode, type ChildOptions } from './child.js';
import { type Frame, Session } from './session.js';
import { Settler } from './settler.js';

const READ_BYTES = 4 * 1024 * 1024;
/** Publishes of one plain publisher that may be unconfirmed at once. */
const PLAIN_WINDOW = 20;
/** A queue is emptied every so many rounds, to see that nothing is missing. */
const ROUNDS_PER_DRAIN = 5;
const DRAIN_QUIET_MS = 5000;
const POLL_MS = 50;

/** What a run has met, for the report. */
export interface NodeCounts {
  rounds: number;
  killed: number;
  published: number;
  confirmedInMemory: number;
  confirmedOnDisk: number;
  unconfirmedAtKill: number;
  resentBatches: number;
  recordsRead: number;
  deliveries: number;
  redelivered: number;
  needlessFlags: number;
  settledConfirmed: number;
  heldAtKill: number;
  offsetsConfirmed: number;
  drains: number;
  slowestStartMs: number;
}

interface Partition {
  readonly topic: string;
  readonly partition: number;
  readonly safety: 'memory' | 'disk';
  readonly messages: LogPromises;
  readonly offsets: OffsetPromises;
  readonly queue: QueuePromises | undefined;
  readonly idempotent: IdempotentPublisher[];
  readonly serials: Map<string, number>;
  records: SeenRecord[];
  end: number;
}

const TOPICS = [
  { name: 'events', kind: 'topic', partitions: 4, safety: 'disk' },
  { name: 'jobs', kind: 'queue', partitions: 4, safety: 'disk' },
  { name: 'quick-jobs', kind: 'queue', partitions: 2, safety: 'memory' },
] as const;

/** See the top of this file. */
export class NodeRun {
  readonly counts: NodeCounts = {
    rounds: 0,
    killed: 0,
    published: 0,
    confirmedInMemory: 0,
    confirmedOnDisk: 0,
    unconfirmedAtKill: 0,
    resentBatches: 0,
    recordsRead: 0,
    deliveries: 0,
    redelivered: 0,
    needlessFlags: 0,
    settledConfirmed: 0,
    heldAtKill: 0,
    offsetsConfirmed: 0,
    drains: 0,
    slowestStartMs: 0,
  };
  private readonly prng: Prng;
  private readonly options: ChildOptions;
  private readonly partitions: Partition[] = [];
  private unconfirmed = 0;
  private nextConsumer = 1;
  private violation: unknown;
  /** From the kill on, nothing that still arrives from the dead node counts. */
  private isOver = false;

  constructor(seed: number, options: ChildOptions) {
    this.prng = new Prng(seed);
    this.options = options;
    for (const { name, kind, partitions, safety } of TOPICS) {
      for (let partition = 0; partition < partitions; partition++) {
        const label = `${kind} ${name}/${partition}`;
        this.partitions.push({
          topic: name,
          partition,
          safety,
          messages: new LogPromises(this.partitions.length, label),
          offsets: new OffsetPromises(label),
          queue: kind === 'queue' ? new QueuePromises(label) : undefined,
          idempotent: [],
          serials: new Map(),
          records: [],
          end: 0,
        });
      }
    }
  }

  /** Runs the rounds, telling after each. @throws Violation */
  async run(rounds: number, told: (round: number) => void): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const node = await this.start();
      try {
        await this.runRound(node, round);
      } catch (cause) {
        throw node.hasDied && !this.isOver ? new Error(`The node died by itself:\n${node.printed}`, { cause }) : cause;
      } finally {
        await node.kill();
      }
      this.counts.rounds++;
      told(round);
    }
    const node = await this.start();
    try {
      const session = await Session.open(node.port);
      await this.verify(session);
      await this.drain(node);
    } finally {
      await node.stop();
    }
  }

  private async start(): Promise<ChildNode> {
    const startedMs = performance.now();
    const node = await ChildNode.start(this.options);
    this.counts.slowestStartMs = Math.max(this.counts.slowestStartMs, Math.round(performance.now() - startedMs));
    this.isOver = false;
    return node;
  }

  private async runRound(node: ChildNode, round: number): Promise<void> {
    const session = await Session.open(node.port);
    if (round === 0) await this.declare(session);
    else await this.verify(session);
    if (round > 0 && round % ROUNDS_PER_DRAIN === 0) await this.drain(node);
    await this.load(node);
    await new Promise((resolve) => setTimeout(resolve, this.prng.between(50, 700)));
    promised(!node.hasDied, 'node-failed', () => `The node died by itself:\n${node.printed}`);
    // The signal is sent before anything else that has arrived is looked at.
    const killed = node.kill();
    await killed;
    this.isOver = true;
    this.counts.killed++;
    this.counts.unconfirmedAtKill += this.unconfirmed;
    this.unconfirmed = 0;
    for (const { queue } of this.partitions) this.counts.heldAtKill += queue?.held.size ?? 0;
    if (this.violation !== undefined) throw this.violation;
  }

  private async declare(session: Session): Promise<void> {
    for (const { name, kind, partitions, safety } of TOPICS) {
      const durability = safety === 'disk' ? 'DURABILITY_DISK' : 'DURABILITY_MEMORY';
      const settings = { name, partitions, durability, segmentBytes: 256 * 1024 };
      await session.request({ declare: { [kind]: settings } });
    }
    for (const partition of this.partitions) {
      for (let count = 0; count < 2; count++) {
        const { producer } = await session.request({ initProducer: {} });
        const producerId = Number(producer.producerId);
        partition.idempotent.push(new IdempotentPublisher(`i${producerId}`, partition.messages.logId, producerId));
      }
    }
  }

  // ---- After a kill ----

  private async verify(session: Session): Promise<void> {
    for (const partition of this.partitions) {
      for (const publisher of partition.idempotent) publisher.disconnect();
      await this.readAll(session, partition);
      partition.messages.check(partition.records, false, (value) => partition.queue?.mayBeGone(value) ?? false);
      await this.verifyOffsets(session, partition);
      partition.queue?.beginAfterKill(partition.records, partition.end);
    }
    for (const { name, kind } of TOPICS) if (kind === 'queue') await this.verifyCounts(session, name);
  }

  private async readAll(session: Session, partition: Partition): Promise<void> {
    const records: SeenRecord[] = [];
    for (let offset = 0; ; ) {
      const { fetched } = await session.request({
        fetch: {
          from: partition.topic,
          partitions: [{ partition: partition.partition, offset }],
          maxBytes: READ_BYTES,
          decoded: true,
        },
      });
      const [found] = fetched.partitions;
      if (found.error !== undefined) {
        // What is settled may have been removed from the log's beginning.
        promised(Number(found.logStart) > offset, 'confirmed-lost', () => `${partition.topic}: ${found.error.message}`);
        offset = Number(found.logStart);
        continue;
      }
      for (const { offset: at, message } of found.records.messages ?? []) {
        records.push({ offset: Number(at ?? 0), value: textIn(message.value) });
      }
      const next = Number(found.records.nextOffset);
      partition.end = Number(found.end);
      if (next >= partition.end) break;
      promised(next > offset, 'node-failed', () => `Reading ${partition.topic} does not go on at ${offset}`);
      offset = next;
    }
    this.counts.recordsRead += records.length;
    partition.records = records;
  }

  private async verifyOffsets(session: Session, { topic, partition, offsets, records }: Partition): Promise<void> {
    const found = new Map<string, number>();
    for (const group of offsets.names()) {
      const { offsetList } = await session.request({ fetchOffsets: { group, from: topic, partitions: [partition] } });
      found.set(group, Number(offsetList.offsets[0].offset ?? -1));
    }
    offsets.check('kill', records.at(-1)?.offset ?? -1, (group) => found.get(group) ?? -1);
  }

  private async verifyCounts(session: Session, topic: string): Promise<void> {
    const { description } = await session.request({ describe: { name: topic } });
    for (const { partition, messagesReady } of description.partitions) {
      const state = this.partitions.find((one) => one.topic === topic && one.partition === partition);
      state?.queue?.checkReady(state.records, Number(messagesReady));
    }
  }

  /** Takes everything out of the queues, and settles it. */
  private async drain(node: ChildNode): Promise<void> {
    this.counts.drains++;
    const session = await Session.open(node.port);
    const ready = new Map<Partition, number>();
    for (const { name, kind } of TOPICS) {
      if (kind !== 'queue') continue;
      const { description } = await session.request({ describe: { name } });
      for (const { partition, messagesReady } of description.partitions) {
        const state = this.partitions.find((one) => one.topic === name && one.partition === partition);
        if (state !== undefined) ready.set(state, Number(messagesReady));
      }
    }
    const before = new Map([...ready.keys()].map((state) => [state, state.queue?.deliveredInLife ?? 0]));
    for (const { name, kind } of TOPICS)
      if (kind === 'queue') await this.openConsumer(node, name, 10_000, () => 'settle');
    await this.untilEmpty(ready.keys());
    if (this.violation !== undefined) throw this.violation;
    for (const [state, count] of ready) {
      const missing = state.queue?.expected(state.records)[0];
      const name = `${state.topic}/${state.partition}`;
      promised(
        missing === undefined,
        'acknowledgement-swallowed',
        () =>
          `offset ${missing?.offset} of ${name} is not delivered; ready ${count}, came ${(state.queue?.deliveredInLife ?? 0) - (before.get(state) ?? 0)}`,
      );
      const delivered = (state.queue?.deliveredInLife ?? 0) - (before.get(state) ?? 0);
      promised(
        delivered === count,
        'message-count',
        () => `${name} said ${count} messages were ready, and ${delivered} came`,
      );
    }
  }

  /** Waits until nothing is missing, or nothing has come for long. */
  private async untilEmpty(states: Iterable<Partition>): Promise<void> {
    const queues = [...states];
    let last = -1;
    for (let quietMs = 0; quietMs < DRAIN_QUIET_MS; quietMs += POLL_MS) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      if (this.violation !== undefined) return;
      if (last !== this.counts.deliveries) quietMs = 0;
      last = this.counts.deliveries;
      if (queues.every(({ queue, records }) => queue?.expected(records).length === 0)) return;
    }
  }

  // ---- Work ----

  private async load(node: ChildNode): Promise<void> {
    for (const name of ['a', 'b', 'c']) this.publishPlainly(await Session.open(node.port), name);
    for (const partition of this.partitions) {
      const session = await Session.open(node.port);
      for (const publisher of partition.idempotent) this.publishInSequence(session, partition, publisher);
    }
    for (const topic of ['jobs', 'quick-jobs']) {
      for (let count = this.prng.below(3); count > 0; count--) {
        await this.openConsumer(node, topic, this.prng.pick([1, 10, 100]), () => this.chooseOutcome());
      }
    }
    this.commitOffsets(await Session.open(node.port));
  }

  /** Publishes to all partitions at both levels, a few publishes ahead of their confirms. */
  private publishPlainly(session: Session, name: string): void {
    let inFlight = 0;
    const publish = (): void => {
      while (inFlight < PLAIN_WINDOW && session.isAlive && !this.isOver) {
        inFlight++;
        const partition = this.prng.pick(this.partitions);
        const publisher = `${name}${partition.messages.logId}`;
        const first = partition.serials.get(publisher) ?? 0;
        const count = this.prng.between(1, 4);
        partition.serials.set(publisher, first + count);
        const values = Array.from({ length: count }, (_, index) =>
          messageValue(publisher, first + index, this.padding()),
        );
        const messages = values.map((value) => ({ value: Buffer.from(value).toString('base64') }));
        const durability = this.prng.chance(0.5) ? 'DURABILITY_MEMORY' : 'DURABILITY_DISK';
        const body = { to: partition.topic, partition: partition.partition, messages, durability };
        this.send(session, partition, values, { publish: body }, () => {
          inFlight--;
          publish();
        });
      }
    };
    publish();
  }

  private send(
    session: Session,
    partition: Partition,
    values: readonly string[],
    frame: Frame,
    then: (error?: Frame) => void,
  ): void {
    this.counts.published += values.length;
    this.unconfirmed += values.length;
    session.send(frame, ({ confirm, error }) => {
      this.unconfirmed -= values.length;
      if (this.isOver) return;
      if (confirm !== undefined) this.guarded(() => this.confirmed(partition, values, confirm));
      then(error);
    });
  }

  private confirmed(partition: Partition, values: readonly string[], confirm: Frame): void {
    const [range] = confirm['ranges'];
    const base = Number(range.baseOffset);
    const safety = confirm['reached'] === 'DURABILITY_MEMORY' ? 'memory' : 'disk';
    for (const [index, value] of values.entries()) partition.messages.confirm(base + index, value, safety);
    if (safety === 'memory') this.counts.confirmedInMemory += values.length;
    else this.counts.confirmedOnDisk += values.length;
  }

  /** Resends first what a kill has left open, then goes on; at most five batches in flight. */
  private publishInSequence(session: Session, partition: Partition, publisher: IdempotentPublisher): void {
    for (const batch of [...publisher.resends()]) {
      this.counts.resentBatches++;
      this.sendBatch(session, partition, publisher, batch);
    }
    this.publishNext(session, partition, publisher);
  }

  private publishNext(session: Session, partition: Partition, publisher: IdempotentPublisher): void {
    while (publisher.isReady && session.isAlive && !this.isOver) {
      const batch = publisher.next(Array.from({ length: this.prng.between(1, 3) }, () => this.padding()));
      this.sendBatch(session, partition, publisher, batch);
    }
  }

  private sendBatch(
    session: Session,
    partition: Partition,
    publisher: IdempotentPublisher,
    batch: SequencedBatch,
  ): void {
    batch.state = 'sent';
    const bytes = Buffer.from(publisher.encode(batch)).toString('base64');
    const durability = this.prng.chance(0.5) ? 'DURABILITY_MEMORY' : 'DURABILITY_DISK';
    const body = { to: partition.topic, partition: partition.partition, batch: bytes, durability };
    this.send(session, partition, batch.values, { publish: body }, (error) => {
      this.guarded(() =>
        promised(error === undefined, 'node-failed', () => `${publisher.name}: ${error?.['message']}`),
      );
      publisher.confirmed(batch);
      this.publishNext(session, partition, publisher);
    });
  }

  private async openConsumer(
    node: ChildNode,
    topic: string,
    credit: number,
    choose: () => 'settle' | 'requeue' | 'hold',
  ): Promise<void> {
    const session = await Session.open(node.port);
    const consumer = this.nextConsumer++;
    const settler = new Settler(session, (message) =>
      this.guarded(() => promised(false, 'node-failed', () => `A consumer of ${topic} cannot settle: ${message}`)),
    );
    session.onDeliver = ({ deliveries }) => {
      if (this.isOver) return;
      for (const delivery of deliveries) {
        this.guarded(() => this.delivered(settler, topic, consumer, delivery, choose()));
      }
    };
    await session.request({ subscribe: { subscription: 1, from: topic, queue: { credit } } });
  }

  private delivered(settler: Settler, topic: string, consumer: number, delivery: Frame, outcome: string): void {
    const partition = this.partitions.find(
      (one) => one.topic === topic && one.partition === (delivery['partition'] ?? 0),
    );
    if (partition?.queue === undefined) return;
    const { queue, messages } = partition;
    const value = textIn(delivery['message'].value);
    const record = { offset: Number(delivery['offset'] ?? 0), value };
    this.counts.deliveries++;
    if (delivery['redelivered'] === true) this.counts.redelivered++;
    messages.see(record.offset, value);
    if (queue.deliver(record, consumer, delivery['redelivered'] === true, delivery['deliveryCount'] ?? 0)) {
      this.counts.needlessFlags++;
    }
    if (outcome === 'hold') return;
    if (outcome === 'requeue') queue.giveBack(value);
    else queue.settle(value);
    const isRequeue = outcome === 'requeue';
    settler.settle(Number(delivery['tag']), isRequeue ? 'OUTCOME_REQUEUE' : 'OUTCOME_ACKNOWLEDGE', () => {
      if (this.isOver || isRequeue) return;
      this.counts.settledConfirmed++;
      queue.confirmSettled(value, partition.safety);
    });
  }

  private chooseOutcome(): 'settle' | 'requeue' | 'hold' {
    if (this.prng.chance(0.85)) return 'settle';
    return this.prng.chance(0.5) ? 'requeue' : 'hold';
  }

  private commitOffsets(session: Session): void {
    const commit = (): void => {
      if (!session.isAlive || this.isOver) return;
      const { topic, partition, offsets, end } = this.prng.pick(this.partitions);
      const group = this.prng.pick(['readers', 'auditors']);
      const offset = this.prng.below(end + 1);
      const index = offsets.commit(group, offset);
      session.send({ commitOffsets: { group, from: topic, offsets: [{ partition, offset }] } }, ({ error }) => {
        if (this.isOver || error !== undefined) return;
        this.counts.offsetsConfirmed++;
        // What a queue of level memory confirms survives the process, which is all that is asked here.
        offsets.confirm(group, index, 'memory');
        commit();
      });
    };
    commit();
  }

  private padding(): number {
    return this.prng.chance(0.05) ? this.prng.below(8000) : this.prng.below(200);
  }

  private guarded(check: () => void): void {
    if (this.isOver) return;
    try {
      check();
    } catch (violation) {
      this.violation ??= violation;
    }
  }
}

function textIn(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}
