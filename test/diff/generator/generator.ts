import type { ChannelIndex, Sequence, Step } from '../operations.js';
import { Random, seedOf } from '../random.js';
import { type Profile, properties, queueArguments } from './arguments.js';
import { exchangeStep, type World } from './exchanges.js';
import { mistake } from './mistakes.js';

const PROFILES: readonly (readonly [number, Profile])[] = [
  [6, 'plain'],
  [12, 'routing'],
  [12, 'consuming'],
  [10, 'expiring'],
  [14, 'dead-letters'],
  [10, 'lengths'],
  [8, 'priorities'],
  [8, 'transactions'],
  [8, 'confirms'],
  [8, 'declarations'],
  [8, 'errors'],
  [4, 'connections'],
  [8, 'eager'],
  [6, 'quorum'],
];

const QUEUES = ['~q0', '~q1', '~q2'] as const;

/** The kind of sequence that a seed and a number determine. */
export function profileOf(runSeed: number, index: number): Profile {
  return new Random(seedOf(runSeed, index)).weighted(PROFILES);
}

/** The sequence that a seed and a number determine. */
export function generate(runSeed: number, index: number): Sequence {
  const random = new Random(seedOf(runSeed, index));
  const profile = random.weighted(PROFILES);
  return new Generator(random, profile).sequence();
}

class Generator {
  private readonly random: Random;
  private readonly profile: Profile;
  private readonly steps: Step[] = [];
  private readonly world: World = { queues: new Map(), exchanges: new Map() };
  /** The one queue that a channel consumes from: deliveries of several queues could come in any order. */
  private readonly consumes = new Map<ChannelIndex, string>();
  private readonly modes = new Map<ChannelIndex, 'confirm' | 'transaction'>();
  /** About how many deliveries each channel holds; settling on others is seldom of interest. */
  private readonly held = new Map<ChannelIndex, number>();
  private bodies = 0;
  private tags = 0;
  private waits = 0;

  constructor(random: Random, profile: Profile) {
    this.random = random;
    this.profile = profile;
  }

  sequence(): Sequence {
    const { random, profile } = this;
    const queues =
      profile === 'declarations' ? 1 : profile === 'dead-letters' ? 2 + random.below(2) : 1 + random.below(3);
    for (let index = 0; index < queues; index += 1) this.declareQueue(QUEUES[index]);
    if (profile === 'routing' || random.chance(profile === 'dead-letters' || profile === 'expiring' ? 0.6 : 0.25))
      this.declareExchange();
    this.mode();
    const length = 4 + random.below(profile === 'expiring' ? 8 : 12);
    for (let index = 0; index < length; index += 1) this.operation();
    if (profile === 'expiring') this.wait();
    this.drain();
    return { look: profile === 'eager' ? 'end' : 'each', steps: this.steps };
  }

  private operation(): void {
    const { random } = this;
    const is = (...profiles: Profile[]) => profiles.includes(this.profile);
    const consumes = is('eager') ? 0 : is('consuming') ? 18 : 8;
    const choices: readonly (readonly [number, () => void])[] = [
      [30, () => this.publish()],
      [is('lengths', 'confirms') ? 12 : 4, () => this.publishSeveral()],
      [14, () => this.get()],
      [consumes, () => this.consume()],
      [is('eager') ? 4 : 18, () => this.settle()],
      [consumes / 4, () => this.cancel()],
      [consumes / 3, () => this.qos()],
      [is('eager') ? 0 : 3, () => this.recover()],
      [3, () => this.onQueue('queue.purge')],
      [is('declarations') ? 12 : 2, () => this.deleteQueue()],
      [is('declarations') ? 20 : 3, () => this.declareQueue(random.pick(QUEUES))],
      [is('routing') ? 12 : 2, () => this.declareExchange()],
      [is('routing') ? 14 : 3, () => this.add(exchangeStep(random, this.world, this.channel()))],
      [is('transactions') ? 18 : 0.5, () => this.transaction()],
      [
        is('eager') ? 0 : 2,
        () => this.add({ channel: this.channel(), method: 'channel.close', fields: { replyCode: 200 } }),
      ],
      [
        is('errors') ? 25 : is('declarations') ? 8 : is('eager') ? 0 : 1,
        () => this.add(mistake(random, this.channel())),
      ],
      [is('connections') ? 12 : 0, () => this.endConnection()],
      [is('expiring') ? 7 : 0, () => this.wait()],
    ];
    random.weighted(choices)();
  }

  private add(step: Step | undefined): void {
    if (step !== undefined) this.steps.push(step);
  }

  private channel(): ChannelIndex {
    if (this.profile === 'eager') return 0;
    return this.random.weighted([
      [12, 0],
      [5, 1],
      [this.profile === 'connections' ? 8 : 1, 2],
    ]);
  }

  private queue(): string {
    const names = [...this.world.queues.keys()];
    return names.length === 0 ? '~q0' : this.random.pick(names);
  }

  private declareQueue(name: string | undefined): void {
    const { random, profile } = this;
    if (name === undefined) return;
    const before = this.world.queues.get(name);
    const isRepeat = before !== undefined && random.chance(0.6);
    const isExclusive = random.chance(
      profile === 'declarations' || profile === 'connections' ? 0.2 : profile === 'quorum' ? 0.01 : 0.03,
    );
    const fields = isRepeat
      ? {
          ...before,
          ...random.pick([
            {},
            {},
            { durable: before['durable'] !== true },
            { arguments: queueArguments(random, profile) },
          ]),
        }
      : {
          queue: random.chance(profile === 'quorum' ? 0 : 0.04) ? '' : name,
          durable: random.chance(profile === 'quorum' ? 0.97 : 0.4),
          exclusive: isExclusive,
          autoDelete: random.chance(profile === 'eager' ? 0 : profile === 'quorum' ? 0.02 : 0.12),
          arguments: queueArguments(random, profile),
        };
    const passive = random.chance(profile === 'declarations' ? 0.15 : 0.02);
    const nowait = random.chance(0.03) && fields.queue !== '';
    this.world.queues.set(
      fields.queue === '' ? '~g0' : name,
      fields.queue === '' ? { ...fields, queue: '~g0' } : fields,
    );
    this.add({
      channel: this.channel(),
      method: 'queue.declare',
      fields: { ...fields, ...(passive ? { passive } : {}), ...(nowait ? { nowait } : {}) },
    });
  }

  private declareExchange(): void {
    const { random } = this;
    const name = random.pick(['~x0', '~x1']);
    const type = random.weighted([
      [4, 'direct'],
      [4, 'fanout'],
      [6, 'topic'],
      [5, 'headers'],
    ] as const);
    const alternate = random.chance(0.12)
      ? { 'alternate-exchange': random.pick(['~x1', '~x0', 'amq.direct', '~missing']) }
      : {};
    const fields = {
      exchange: name,
      type: this.world.exchanges.get(name) ?? type,
      durable: random.chance(0.3),
      autoDelete: random.chance(0.1),
      internal: random.chance(0.05),
      arguments: alternate,
    };
    const passive = random.chance(0.03);
    this.world.exchanges.set(name, fields.type);
    const channel = this.channel();
    this.add({ channel, method: 'exchange.declare', fields: passive ? { ...fields, passive } : fields });
    const bindings = 1 + random.below(3);
    for (let index = 0; index < bindings; index += 1) this.add(exchangeStep(random, this.world, channel, name));
  }

  private publish(channel: ChannelIndex = this.channel()): void {
    const { random, profile } = this;
    const exchanges = [...this.world.exchanges.keys()];
    const isDefault = exchanges.length === 0 || random.chance(profile === 'routing' ? 0.2 : 0.6);
    const exchange = isDefault ? '' : random.pick([...exchanges, ...exchanges, 'amq.topic', 'amq.direct']);
    const routingKey = isDefault ? this.queue() : random.pick(['k1', 'k1.k2', '~k', 'k1.k2.k3', '', '~q0', 'k2.k1']);
    const mandatory = random.chance(0.25);
    const body = random.weighted([
      [20, `m${this.bodies}`],
      [2, ''],
      [2, `message ${this.bodies}`],
      [0.3, 'long '.repeat(30_000)],
    ]);
    this.bodies += 1;
    this.add({
      channel,
      method: 'basic.publish',
      fields: { exchange, routingKey, ...(mandatory ? { mandatory } : {}) },
      properties: properties(random, profile),
      body,
    });
  }

  private publishSeveral(): void {
    const channel = this.channel();
    const count = 2 + this.random.below(3);
    for (let index = 0; index < count; index += 1) this.publish(channel);
  }

  private get(): void {
    // A quorum queue counts who holds what he has got as a consumer, for a while.
    const noAck = this.random.chance(0.25) || this.profile === 'quorum';
    const channel = this.channel();
    if (!noAck) this.hold(channel, 1);
    this.add({ channel, method: 'basic.get', fields: { queue: this.queue(), noAck } });
  }

  private consume(): void {
    const { random } = this;
    const channel = this.channel();
    const queue = this.consumes.get(channel) ?? this.queue();
    this.consumes.set(channel, queue);
    this.hold(channel, 3);
    const noAck = random.chance(0.25);
    const tag = random.chance(0.08) ? (noAck ? 'n9' : '') : `${noAck ? 'n' : 'c'}${this.tags}`;
    this.tags += 1;
    const priority = random.chance(0.1) ? { 'x-priority': random.pick([-1, 1, 10]) } : {};
    const exclusive = random.chance(0.06);
    this.add({
      channel,
      method: 'basic.consume',
      fields: { queue, consumerTag: tag, noAck, exclusive, arguments: priority },
    });
  }

  private cancel(): void {
    const consumerTag = `${this.random.pick(['c', 'c', 'n'])}${this.random.below(Math.max(1, this.tags))}`;
    this.add({ channel: this.channel(), method: 'basic.cancel', fields: { consumerTag } });
  }

  private qos(): void {
    const { random } = this;
    this.add({
      channel: this.channel(),
      method: 'basic.qos',
      fields: {
        prefetchCount: random.pick([0, 1, 1, 2, 3]),
        global: random.chance(this.profile === 'quorum' ? 0.04 : 0.25),
      },
    });
  }

  private hold(channel: ChannelIndex, count: number): void {
    this.held.set(channel, Math.max(0, (this.held.get(channel) ?? 0) + count));
  }

  private settle(): void {
    const { random } = this;
    const holders = [...this.held].filter(([, count]) => count > 0).map(([channel]) => channel);
    if (holders.length === 0 && random.chance(0.9)) {
      this.publish();
      this.get();
      return;
    }
    const channel = holders.length === 0 ? this.channel() : random.pick(holders);
    this.hold(channel, -1);
    const delivery = random.weighted([
      [9, 0],
      [3, 1],
      [1, 2],
    ]);
    const multiple = random.chance(0.2);
    const requeue = random.chance(this.profile === 'dead-letters' ? 0.2 : this.profile === 'quorum' ? 0.65 : 0.45);
    const step = random.weighted<Step>([
      [5, { channel, method: 'basic.ack', fields: { multiple }, delivery }],
      [4, { channel, method: 'basic.nack', fields: { multiple, requeue }, delivery }],
      [3, { channel, method: 'basic.reject', fields: { requeue }, delivery }],
      [0.3, { channel, method: 'basic.ack', fields: { deliveryTag: 0, multiple: true } }],
      [0.3, { channel, method: 'basic.nack', fields: { deliveryTag: 0, multiple: true, requeue } }],
    ]);
    this.add(step);
  }

  /** Shows what the queues hold in the end: what was never delivered would otherwise only be counted. */
  private drain(): void {
    const channel = this.modes.has(0) ? 1 : 0;
    for (const queue of this.world.queues.keys()) {
      const gets = 1 + this.random.below(3);
      for (let get = 0; get < gets; get += 1)
        this.add({ channel, method: 'basic.get', fields: { queue, noAck: true } });
    }
  }

  private recover(): void {
    const method = this.random.pick(['basic.recover', 'basic.recover', 'basic.recover-async']);
    this.add({ channel: this.channel(), method, fields: { requeue: this.random.chance(0.93) } });
  }

  private onQueue(method: string): void {
    this.add({ channel: this.channel(), method, fields: { queue: this.queue() } });
  }

  private deleteQueue(): void {
    const { random } = this;
    const fields = { queue: this.queue(), ifUnused: random.chance(0.3), ifEmpty: random.chance(0.3) };
    this.add({ channel: this.channel(), method: 'queue.delete', fields });
  }

  private mode(): void {
    const { random, profile } = this;
    const confirmed = profile === 'confirms' || (profile === 'lengths' && random.chance(0.6)) || random.chance(0.08);
    if (profile === 'transactions') {
      this.modes.set(0, 'transaction');
      this.add({ channel: 0, method: 'tx.select' });
    } else if (confirmed) {
      this.modes.set(0, 'confirm');
      this.add({ channel: 0, method: 'confirm.select' });
    }
  }

  private transaction(): void {
    const method = this.random.weighted([
      [6, 'tx.commit'],
      [4, 'tx.rollback'],
      [0.3, 'tx.select'],
    ] as const);
    this.add({ channel: this.random.chance(0.93) ? 0 : 1, method });
  }

  private endConnection(): void {
    this.add({
      channel: this.random.pick([0, 2, 2]),
      method: this.random.pick(['(close connection)', '(cut connection)']),
    });
  }

  private wait(): void {
    if (this.waits >= 2) return;
    this.waits += 1;
    this.add({ channel: 0, method: '(wait)' });
  }
}
