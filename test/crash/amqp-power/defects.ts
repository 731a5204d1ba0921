/** Mistakes that are built in on purpose, to prove that the run finds them. */
import { DurabilityLevel, type PublishListener, SettleOutcome } from '../../../src/broker/ports.js';
import type { ShardBroker } from '../../../src/broker/shard-broker.js';
import type { SimulatedDisk } from '../../../src/io/disk/simulated-disk.js';
import type { Clock, Disk, Timers } from '../../../src/io/ports.js';
import type { ShardStorage } from '../../../src/storage/shard-storage.js';
import { decodeMethod } from '../../diff/wire/methods.js';
import { FRAME } from '../../fuzz/amqp/client.js';
import type { NodeFrame } from '../../fuzz/amqp/stream.js';
import { overriding, withDefect } from '../power/defects.js';
import type { Sabotage } from '../power/simulated-shard.js';
import type { PromiseKind } from '../power/violation.js';
import type { Tamper } from './simulated-connection.js';

/** One of them. */
export interface AmqpDefect {
  readonly name: string;
  /** What it does. */
  readonly text: string;
  /** The promises that it breaks: each run that is red is red for one of them. */
  readonly breaks: readonly PromiseKind[];
  /** What a start complains of is not looked at: it would be found before the broken promise. */
  readonly ignoresWarnings?: boolean;
  /** A seed with which it shows, where that is rare. Default 1. */
  readonly firstSeed?: number;
  readonly disk?: (disk: SimulatedDisk) => Disk;
  readonly sabotage?: Sabotage;
  readonly tamper?: () => Tamper;
}

/** Every so many acknowledgements of consumers, and answers to publishes, one is swallowed. */
const SWALLOWED_EVERY = 30;
const LATE_MS = 500;
const EARLY_MS = 5;

/** All of them. */
export const AMQP_DEFECTS: readonly AmqpDefect[] = [
  {
    name: 'no-fsync',
    text: 'syncs of logs and journals claim to have worked and do nothing',
    breaks: ['confirmed-lost', 'transaction-torn', 'settled-came-back', 'unknown-message'],
    ignoresWarnings: true,
    disk: (disk) => withDefect(disk, 'no-fsync'),
  },
  {
    name: 'decision-unsynced',
    text: 'a transaction is confirmed when its decision is written, and not yet on disk',
    breaks: ['confirmed-lost', 'transaction-torn'],
    sabotage: { storage: decidesTooEarly },
  },
  {
    name: 'half-applied',
    text: 'after a crash the first shard does not know the decisions that others rely on',
    breaks: ['confirmed-lost', 'transaction-torn'],
    sabotage: { storage: forgetsDecisions },
  },
  {
    name: 'prepared-unsynced',
    text: 'the parts of a transaction count as prepared before they are on disk',
    breaks: ['confirmed-lost', 'transaction-torn', 'settled-came-back', 'unknown-message'],
    sabotage: { broker: preparesTooEarly },
  },
  {
    name: 'dead-letter-settled-early',
    text: 'a dead message is settled before its target has confirmed it',
    breaks: ['confirmed-lost'],
    sabotage: { broker: (broker) => confirmsTooEarly(broker, 'publishDead') },
  },
  {
    name: 'delayed-settled-early',
    text: 'a delayed message is settled before its queues have confirmed it',
    breaks: ['confirmed-lost'],
    firstSeed: 9,
    sabotage: { broker: (broker) => confirmsTooEarly(broker, 'publishHeld') },
  },
  {
    name: 'delayed-late',
    text: `a start fires what is due only after ${LATE_MS} ms`,
    breaks: ['too-late'],
    sabotage: { broker: firesLate },
  },
  {
    name: 'delayed-early',
    text: `delayed messages fire ${EARLY_MS} ms before their time`,
    breaks: ['too-early'],
    sabotage: { broker: firesEarly },
  },
  {
    name: 'ack-swallowed',
    text: `one of ${SWALLOWED_EVERY} acknowledgements of consumers is lost`,
    breaks: ['settled-came-back', 'unknown-message'],
    sabotage: { broker: swallowsAcks },
  },
  {
    name: 'confirm-swallowed',
    text: `one of ${SWALLOWED_EVERY} answers to publishes is lost`,
    // The next ack with `multiple` covers a nack that was swallowed: what was refused then counts as confirmed.
    breaks: ['not-confirmed', 'confirmed-lost'],
    tamper: () => onEveryConfirm(SWALLOWED_EVERY, () => {}),
  },
  {
    name: 'confirm-twice',
    text: `one of ${SWALLOWED_EVERY} answers to publishes comes twice`,
    breaks: ['confirmed-twice'],
    tamper: () =>
      onEveryConfirm(SWALLOWED_EVERY, (frame, pass) => {
        pass(frame);
        pass(frame);
      }),
  },
  {
    name: 'return-after-ack',
    text: 'what cannot be routed is returned after its answer',
    breaks: ['not-returned'],
    tamper: returnsLate,
  },
];

/** The decision is in the page cache, and everybody goes on. */
function decidesTooEarly(storage: ShardStorage): ShardStorage {
  const early: Partial<ShardStorage> = {
    decide: (producerId, epoch, mayDecide, done) => {
      const isDecided = mayDecide();
      if (isDecided) storage.decideInMemory(producerId, epoch);
      queueMicrotask(() => done(isDecided));
    },
  };
  return overriding(storage, early);
}

function forgetsDecisions(storage: ShardStorage, shard: number): ShardStorage {
  if (shard === 0) storage.decisions.rely = () => false;
  return storage;
}

/** A private part of something. @throws TypeError when it is not there any more */
function partOf(whole: object, name: string): object {
  const part: unknown = Reflect.get(whole, name);
  if (typeof part !== 'object' || part === null) throw new TypeError(`There is no ${name} any more`);
  return part;
}

/** Puts another method in the place of one. @throws TypeError when there is none of that name */
function replace(
  part: object,
  name: string,
  replacement: (original: (...args: unknown[]) => unknown, args: unknown[]) => unknown,
): void {
  const method: unknown = Reflect.get(part, name);
  if (typeof method !== 'function') throw new TypeError(`There is no ${name} any more`);
  Reflect.set(part, name, (...args: unknown[]) => replacement((...all) => method.apply(part, all), args));
}

function preparesTooEarly(broker: ShardBroker): void {
  replace(partOf(broker, 'participant'), 'prepare', (prepare, [key, _isDurable, done]) => prepare(key, false, done));
}

const NOBODY: PublishListener = { published: () => {}, publishFailed: () => {} };

/** Whoever publishes is told of success before anything is stored. */
function confirmsTooEarly(broker: ShardBroker, method: string): void {
  replace(partOf(broker, 'routed'), method, (publish, args) => {
    const at = args.findIndex(isListener);
    const listener: unknown = args[at];
    if (!isListener(listener)) throw new TypeError(`${method} has no listener any more`);
    const outcomes = Number(publish(...args.with(at, NOBODY)));
    // The token stands before the listener.
    const token = Number(args[at - 1]);
    for (let count = 0; count < outcomes; count++) listener.published(token, 0, -1, 1, DurabilityLevel.disk, false);
    return outcomes;
  });
}

function isListener(argument: unknown): argument is PublishListener {
  return typeof argument === 'object' && argument !== null && 'published' in argument;
}

function firesLate(broker: ShardBroker): void {
  const timers = partOf(broker, 'timers') as Timers;
  replace(broker.delays, 'start', (start) => timers.setTimeout(() => start(), LATE_MS));
}

function firesEarly(broker: ShardBroker): void {
  const parts = partOf(broker.delays, 'logParts') as { clock: Clock };
  const { clock } = parts;
  parts.clock = { nowMs: () => clock.nowMs() + EARLY_MS, monotonicMs: () => clock.monotonicMs() };
}

function swallowsAcks(broker: ShardBroker): void {
  let count = 0;
  replace(broker.owner, 'settle', (settle, args) => {
    const isSwallowed = args[3] === SettleOutcome.acknowledge && ++count % SWALLOWED_EVERY === 0;
    return isSwallowed ? undefined : settle(...args);
  });
}

function nameOf(frame: NodeFrame): string {
  return frame.type === FRAME.method ? decodeMethod(frame.payload).layout.name : '';
}

function isConfirm(frame: NodeFrame): boolean {
  return ['basic.ack', 'basic.nack'].includes(nameOf(frame));
}

/** Nodes send basic.ack and basic.nack as answers to publishes only. */
function onEveryConfirm(every: number, defect: Tamper): Tamper {
  let count = 0;
  return (frame, pass) => {
    if (isConfirm(frame) && ++count % every === 0) defect(frame, pass);
    else pass(frame);
  };
}

/** Keeps a return, with its content, until the next answer has gone. */
function returnsLate(): Tamper {
  let held: NodeFrame[] = [];
  let isReturning = false;
  return (frame, pass) => {
    if (frame.type === FRAME.method) isReturning = nameOf(frame) === 'basic.return';
    if (isReturning) {
      held.push(frame);
      return;
    }
    pass(frame);
    if (!isConfirm(frame)) return;
    for (const one of held) pass(one);
    held = [];
  };
}
