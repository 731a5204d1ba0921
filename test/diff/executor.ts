import { setTimeout as sleep } from 'node:timers/promises';
import {
  CONFIRM_MS,
  CUT_MS,
  PATIENCE_MS,
  QUEUE_SLOTS,
  REPLICATION_MS,
  ROUNDS_MAX,
  WAIT_MS,
  WINDOW_MS,
} from './limits.js';
import { type ChannelIndex, isTimed, replaceNames, type Sequence, type Step } from './operations.js';
import { normalised, shown } from './transcript.js';
import { type Endpoint, type Incoming, type RawChannel, RawConnection } from './wire/connection.js';
import type { Fields } from './wire/methods.js';

/** What could be seen after each step, as text. */
export type Transcript = readonly string[];
/** How a sequence went. */
export type Outcome =
  | { readonly kind: 'done'; readonly transcript: Transcript }
  /** The steps took so long that times to live ran out between them. */
  | { readonly kind: 'late' };

const OBSERVER_CHANNEL = 10;
const CLEANING_CHANNEL = 30;

interface ChannelState {
  readonly raw: RawChannel;
  /** Delivery tags that are not settled, oldest first. */
  unacked: number[];
  confirms: boolean;
  published: number;
  readonly outstanding: Set<number>;
}

/** Runs sequences against one broker, one at a time, over connections that it keeps. */
export class Executor {
  private readonly endpoint: Endpoint;
  private readonly connections: (RawConnection | undefined)[] = [undefined, undefined];
  private readonly channels = new Map<ChannelIndex, ChannelState>();
  private readonly observers = new Map<string, RawChannel>();
  private readonly names = new Map<string, string>();
  /** Queues that may exist: asking for others would close the channel every time. */
  private readonly known = new Set<string>();
  private readonly events: string[] = [];
  /** Queues whose counts RabbitMQ tells from what it has gathered seconds ago. */
  private replicated: ReadonlySet<string> = new Set();
  private prefix = '';

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  /**
   * Runs a sequence under names of its own. With `expected`, every look is repeated until it shows what is expected or patience ends, and the run
   * ends at the first difference.
   */
  async run(sequence: Sequence, prefix: string, expected?: Transcript): Promise<Outcome> {
    this.prefix = prefix;
    this.names.clear();
    this.known.clear();
    this.events.length = 0;
    this.replicated = new Set(sequence.steps.filter(isReplicated).map(({ fields }) => String(fields?.['queue'])));
    const transcript: string[] = [];
    let windowStart = performance.now();
    const timed = isTimed(sequence);
    try {
      for (const [index, step] of sequence.steps.entries()) {
        const isWait = step.method === '(wait)';
        if (isWait && performance.now() - windowStart > WINDOW_MS) return { kind: 'late' };
        const reply = await this.step(step, sequence.look);
        if (isWait) windowStart = performance.now();
        const isLast = index === sequence.steps.length - 1;
        if (sequence.look === 'each' || isLast) {
          transcript.push(await this.look(reply, expected?.[index], isLast));
        } else transcript.push(normalised([reply], this.replacements()));
        if (expected !== undefined && transcript[index] !== expected[index]) break;
        if (sequence.look === 'end' && reply.includes('.close {')) break;
      }
      if (timed && performance.now() - windowStart > WINDOW_MS + WAIT_MS / 2) return { kind: 'late' };
      return { kind: 'done', transcript };
    } finally {
      await this.clean(sequence);
    }
  }

  /** Closes the connections. */
  async close(): Promise<void> {
    for (const connection of this.connections) await connection?.close();
  }

  private async step(step: Step, look: Sequence['look']): Promise<string> {
    if (step.method === '(wait)') {
      await sleep(WAIT_MS);
      return 'waited';
    }
    if (step.method === '(close connection)' || step.method === '(cut connection)')
      return await this.endConnection(step);
    const channel = await this.openChannel(step.channel);
    const fields = this.fieldsOf(step, channel);
    if (fields === undefined) return 'nothing to settle';
    if (step.method === 'basic.publish') return await this.publish(step, fields, channel, look);
    const isAnswered = !('nowait' in fields && fields['nowait'] === true) && isSynchronous(step.method);
    const sent = { name: step.method, fields };
    if (!isAnswered) {
      channel.raw.send(step.method, fields);
      this.follow(sent, channel);
      if (step.method === 'queue.declare') this.known.add(String(step.fields?.['queue']));
      return look === 'each' ? await this.barrier(channel.raw) : 'sent';
    }
    const reply = await channel.raw.call(step.method, fields);
    this.drain();
    this.follow(sent, channel, reply);
    this.learn(step, reply);
    if (reply.name === 'basic.get-ok' && fields['noAck'] !== true)
      channel.unacked.push(Number(reply.fields['deliveryTag']));
    // RabbitMQ answers the counts of a declaration before messages that came earlier, as its queues rank that question higher.
    const isCount = reply.name === 'queue.declare-ok' || reply.name === 'queue.delete-ok';
    if (isCount && this.replicated.has(String(step.fields?.['queue']))) return reply.name;
    if (look === 'end' && reply.name === 'queue.declare-ok') return reply.name;
    return shown(reply);
  }

  /** Waits until the channel has worked off what was sent. Returns what closed it, if something did. */
  private async barrier(channel: RawChannel): Promise<string> {
    const reply = await channel.call('channel.flow', { active: true });
    return reply.name === 'channel.flow-ok' ? 'sent' : shown(reply);
  }

  private async publish(step: Step, fields: Fields, channel: ChannelState, look: Sequence['look']): Promise<string> {
    if (channel.confirms) {
      channel.published += 1;
      channel.outstanding.add(channel.published);
    }
    channel.raw.publish(fields, replaceNames(step.properties ?? {}, this.replace), step.body ?? '');
    if (look === 'end' && !channel.confirms) return 'sent';
    const sent = await this.barrier(channel.raw);
    const deadline = performance.now() + CONFIRM_MS;
    while (channel.confirms && channel.raw.isOpen && performance.now() < deadline) {
      this.drain();
      if (channel.outstanding.size === 0) break;
      await sleep(1);
    }
    if (channel.raw.isOpen && channel.outstanding.size > 0)
      return `${sent}, ${channel.outstanding.size} never confirmed`;
    return sent;
  }

  private fieldsOf(step: Step, channel: ChannelState): Fields | undefined {
    const fields = replaceNames(step.fields ?? {}, this.replace);
    if (step.delivery === undefined) return fields;
    const deliveryTag = channel.unacked[step.delivery];
    return deliveryTag === undefined ? undefined : { ...fields, deliveryTag };
  }

  private readonly replace = (text: string): string => {
    if (!text.includes('~')) return text;
    for (const [symbol, name] of this.names) if (text === symbol) return name;
    return text.replaceAll('~', this.prefix);
  };

  private replacements(): readonly (readonly [string, string])[] {
    return [...[...this.names].map(([symbol, name]) => [name, symbol] as const), [this.prefix, '~'] as const];
  }

  /** Keeps count of what the client itself knows: unsettled deliveries, modes of the channel. */
  private follow(sent: Incoming, channel: ChannelState, reply?: Incoming): void {
    const { name, fields } = sent;
    if (name === 'basic.ack' || name === 'basic.nack' || name === 'basic.reject') {
      const tag = Number(fields['deliveryTag']);
      const isSettled = (one: number) => (fields['multiple'] === true ? tag === 0 || one <= tag : one === tag);
      channel.unacked = channel.unacked.filter((one) => !isSettled(one));
    }
    if (name === 'basic.recover' && reply?.name === 'basic.recover-ok') channel.unacked = [];
    if (name === 'basic.recover-async' && fields['requeue'] === true) channel.unacked = [];
    if (reply?.name === 'confirm.select-ok') channel.confirms = true;
  }

  private learn(step: Step, reply: Incoming): void {
    if (reply.name === 'queue.declare-ok') {
      const queue = String(step.fields?.['queue'] ?? '');
      const slot = queue === '' ? '~g0' : queue;
      if (queue === '') this.names.set('~g0', String(reply.fields['queue']));
      this.known.add(slot);
    }
  }

  private async endConnection(step: Step): Promise<string> {
    const index = step.channel === 2 ? 1 : 0;
    const connection = this.connections[index];
    if (connection === undefined) return 'no connection';
    this.drain();
    if (step.method === '(close connection)') await connection.close();
    else {
      connection.cut();
      await sleep(CUT_MS);
    }
    this.forget(index);
    return step.method;
  }

  private forget(index: number): void {
    this.connections[index] = undefined;
    for (const channel of [...this.channels.keys()])
      if ((channel === 2 ? 1 : 0) === index) this.channels.delete(channel);
    if (index === 0) this.observers.clear();
  }

  private async connection(index: number): Promise<RawConnection> {
    let connection = this.connections[index];
    if (connection !== undefined && connection.ending !== undefined) {
      this.drain();
      this.forget(index);
      connection = undefined;
    }
    connection ??= await RawConnection.open(this.endpoint);
    this.connections[index] = connection;
    return connection;
  }

  private async openChannel(index: ChannelIndex): Promise<ChannelState> {
    const connection = await this.connection(index === 2 ? 1 : 0);
    const open = this.channels.get(index);
    if (open?.raw.isOpen === true) return open;
    if (open !== undefined) this.drain();
    const raw = await connection.openChannel(index + 1);
    const channel = { raw, unacked: [], confirms: false, published: 0, outstanding: new Set<number>() };
    this.channels.set(index, channel);
    return channel;
  }

  /** Takes what came unasked on all channels into the list of events. */
  private drain(): void {
    for (const [index, channel] of this.channels) {
      for (const incoming of channel.raw.unasked.splice(0)) this.event(index, channel, incoming);
    }
    for (const [index, connection] of this.connections.entries()) {
      if (connection?.ending === undefined || connection.ending.name === 'connection.close-ok') continue;
      this.events.push(`connection ${index} ended: ${shown(connection.ending)}`);
      this.forget(index);
    }
  }

  private event(index: ChannelIndex, channel: ChannelState, incoming: Incoming): void {
    const { name, fields } = incoming;
    if (name === 'basic.ack' || name === 'basic.nack') {
      const tag = Number(fields['deliveryTag']);
      const settled = [...channel.outstanding].filter((one) =>
        fields['multiple'] === true ? tag === 0 || one <= tag : one === tag,
      );
      for (const one of settled) {
        channel.outstanding.delete(one);
        this.events.push(`channel ${index} ${name === 'basic.ack' ? 'confirmed' : 'refused'} ${one}`);
      }
      if (settled.length === 0) this.events.push(`channel ${index} ${name} of ${tag}, which is not outstanding`);
      return;
    }
    if (name === 'basic.deliver') {
      // What was consumed without acknowledgement is not settled by the client; its tag is then unknown to the broker, which is an error to provoke.
      const isAcked = !String(fields['consumerTag']).startsWith('n');
      if (isAcked) channel.unacked.push(Number(fields['deliveryTag']));
    }
    this.events.push(`channel ${index} ${shown(incoming)}`);
  }

  /** Asks what the queues hold until it no longer changes, or looks as expected. */
  private async look(reply: string, expected: string | undefined, isLast: boolean): Promise<string> {
    const startMs = performance.now();
    let stable = 0;
    let last = '';
    for (let round = 0; ; round += 1) {
      // What a replicated queue does follows its own log.
      if (this.replicated.size > 0) await sleep(REPLICATION_MS);
      const queues = await this.askQueues();
      this.drain();
      const text = normalised([reply, ...this.events, ...queues], this.replacements());
      stable = text === last ? stable + 1 : 0;
      last = text;
      const isExpected =
        expected === undefined ? round > 0 && stable >= (isLast ? 2 : 1) : text === expected && (!isLast || stable > 0);
      const isOver = expected === undefined ? round >= ROUNDS_MAX : performance.now() - startMs > PATIENCE_MS;
      if (isExpected || isOver) break;
      if (expected !== undefined && round > 1) await sleep(2);
    }
    this.events.length = 0;
    return last;
  }

  private async askQueues(): Promise<string[]> {
    const connection = await this.connection(0);
    const slots = QUEUE_SLOTS.filter((slot) => this.known.has(slot));
    for (const slot of slots) {
      if (this.observers.get(slot)?.isOpen === true) continue;
      this.observers.set(slot, await connection.openChannel(OBSERVER_CHANNEL + QUEUE_SLOTS.indexOf(slot)));
    }
    connection.cork();
    const flows = [...this.channels.values()]
      .filter(({ raw }) => raw.isOpen)
      .map(({ raw }) => raw.call('channel.flow', { active: true }));
    const answers = slots.map((slot) =>
      this.observers.get(slot)!.call('queue.declare', { queue: this.replace(slot), passive: true }),
    );
    connection.uncork();
    await Promise.all(flows);
    const lines: string[] = [];
    for (const [index, answer] of answers.entries()) {
      const slot = slots[index]!;
      const { name, fields } = await answer;
      if (name === 'queue.declare-ok' && this.replicated.has(slot)) lines.push(`${slot}: is there`);
      else if (name === 'queue.declare-ok')
        lines.push(`${slot}: ${fields['messageCount']} messages, ${fields['consumerCount']} consumers`);
      else {
        lines.push(`${slot}: ${fields['replyCode'] ?? name}`);
        if (fields['replyCode'] === 404) this.known.delete(slot);
      }
    }
    // Once a queue has gone it is not asked for again, so a second look must not differ from the first for that alone.
    return lines.filter((line) => !line.endsWith(': 404'));
  }

  /** Removes all that a sequence has made and gives the next one fresh channels. */
  private async clean(sequence: Sequence): Promise<void> {
    if (sequence.steps.some(({ channel, fields }) => channel === 2 && fields?.['exclusive'] === true)) {
      await this.connections[1]?.close();
      this.forget(1);
    }
    for (const { raw } of this.channels.values()) if (raw.isOpen) await raw.call('channel.close', { replyCode: 200 });
    this.channels.clear();
    const queues = new Set<string>();
    const exchanges = new Set<string>();
    for (const { method, fields } of sequence.steps) {
      if (method === 'queue.declare') queues.add(this.replace(String(fields?.['queue'])));
      if (method === 'exchange.declare') exchanges.add(this.replace(String(fields?.['exchange'])));
    }
    for (const name of this.names.values()) queues.add(name);
    const calls: (readonly [string, Fields])[] = [
      ...[...queues].map((queue) => ['queue.delete', { queue }] as const),
      ...[...exchanges].map((exchange) => ['exchange.delete', { exchange }] as const),
    ];
    await this.callEach(
      calls.filter(([, fields]) =>
        Object.values(fields).every(
          (name) => String(name).startsWith(this.prefix) || String(name).startsWith('amq.gen'),
        ),
      ),
    );
  }

  private async callEach(calls: readonly (readonly [string, Fields])[]): Promise<void> {
    const connection = await this.connection(0);
    let channel = connection.channel(CLEANING_CHANNEL);
    const answers: Promise<Incoming>[] = [];
    if (!channel.isOpen) channel = await connection.openChannel(CLEANING_CHANNEL);
    connection.cork();
    for (const [method, fields] of calls) answers.push(channel.call(method, fields));
    connection.uncork();
    await Promise.all(answers);
  }
}

function isSynchronous(method: string): boolean {
  return !['basic.ack', 'basic.nack', 'basic.reject', 'basic.recover-async', 'basic.publish'].includes(method);
}

function isReplicated({ method, fields }: Step): boolean {
  return method === 'queue.declare' && JSON.stringify(fields).includes('"quorum"');
}
