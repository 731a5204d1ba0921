/** The queues and exchanges that a run uses, and where a message may be. */
import type { AmqpChannel } from '../../fuzz/amqp/client.js';

/** Time to live of the queue `brief`, in milliseconds. */
const BRIEF_MS = 400;
/** Messages that the queue `narrow` takes; more are refused. */
const NARROW_MESSAGES = 20;
/** The highest priority of `urgent`. */
export const PRIORITIES = 5;

/** Transactions take messages from one of these queues to the next; the queues belong to different shards. */
export const STAGES: readonly string[] = ['stage0', 'stage1', 'stage2', 'stage3'];

const deadLettersTo = (queue: string): Record<string, string> => ({
  'x-dead-letter-exchange': '',
  'x-dead-letter-routing-key': queue,
});

/** Queue to its arguments, in the order in which they are emptied: what is late in itself must not wait for others. */
export const QUEUES: Readonly<Record<string, Record<string, string | number>>> = {
  due: {},
  work: deadLettersTo('dead'),
  dead: {},
  urgent: { 'x-max-priority': PRIORITIES },
  brief: { 'x-message-ttl': BRIEF_MS, ...deadLettersTo('expired') },
  expired: {},
  narrow: { 'x-max-length': NARROW_MESSAGES, 'x-overflow': 'reject-publish' },
  left: {},
  right: {},
  ...Object.fromEntries(STAGES.map((stage) => [stage, {}])),
};

/** Where a message for `work` may be. */
export const WORK: readonly string[] = ['work', 'dead'];
/** Where a message for `brief` may be. */
export const BRIEF: readonly string[] = ['brief', 'expired'];

/** What the dead letters of a queue must say: where they died, and why. */
export const DEATHS: Readonly<Record<string, { readonly queue: string; readonly reason: string }>> = {
  dead: { queue: 'work', reason: 'rejected' },
  expired: { queue: 'brief', reason: 'expired' },
};

/**
 * Queues that give each message once, but for what a sudden end has not let settle. Dead letters and delayed messages are sent at least once, so that a
 * sudden end may make two of one.
 */
export const ONCE: ReadonlySet<string> = new Set(['work', 'urgent', 'narrow', 'left', 'right', ...STAGES]);

/** Declares what the run uses. */
export async function declareAll(channel: AmqpChannel): Promise<void> {
  for (const [queue, table] of Object.entries(QUEUES))
    await channel.call('queue.declare', { queue, durable: true, arguments: table });
  await channel.call('exchange.declare', {
    exchange: 'later',
    type: 'x-delayed-message',
    durable: true,
    arguments: { 'x-delayed-type': 'direct' },
  });
  await channel.call('queue.bind', { queue: 'due', exchange: 'later', routingKey: 'due' });
  await channel.call('exchange.declare', { exchange: 'all', type: 'fanout', durable: true });
  for (const queue of ['work', 'urgent', 'brief']) await channel.call('queue.bind', { queue, exchange: 'all' });
}
