/** What a session asks about messages that somebody holds, or that wait for their time. Each rejects with BrokerError. */
import type { DelayedMessages } from '../../broker/delay/requests.js';
import { BrokerError } from '../../broker/errors.js';
import type { Broker, QueueInspection, RoutingBroker } from '../../broker/ports.js';
import type { CancelDelayedCommand, CountDelayedCommand, ListUnackedCommand } from './commands.js';
import { inVhost, requiredQueue } from './topics.js';
import type { WireAnswer } from './wire-types.js';

/** Who holds messages of a queue. */
export async function listUnacked(broker: Broker & QueueInspection, command: ListUnackedCommand): Promise<WireAnswer> {
  const queue = requiredQueue(broker, command.name, command.vhost);
  const { holders, more } = await broker.unacknowledged(queue, command.limit);
  return { unackedList: { holders: [...holders], more } };
}

/** How many messages wait for their time. */
export async function countDelayed(
  broker: RoutingBroker & DelayedMessages,
  { vhost, exchange }: CountDelayedCommand,
): Promise<WireAnswer> {
  requireExchange(broker, vhost, exchange ?? '');
  const { held, nextFireMs } = await broker.delayedCounts(vhost, exchange);
  return { delayedCount: nextFireMs < 0 ? { held } : { held, nextFireMs } };
}

/** Takes out messages that wait for their time. */
export async function cancelDelayed(
  broker: RoutingBroker & DelayedMessages,
  { vhost, exchange, messageId }: CancelDelayedCommand,
): Promise<WireAnswer> {
  requireExchange(broker, vhost, exchange);
  return { purged: { count: await broker.cancelDelayed(vhost, exchange, messageId) } };
}

/** @throws BrokerError `not-found` unless the exchange exists; the one without a name always does. */
function requireExchange(broker: RoutingBroker, vhost: string, name: string): void {
  if (name === '' || broker.exchange(vhost, name) !== undefined) return;
  throw new BrokerError('not-found', `There is no exchange ${JSON.stringify(name)}${inVhost(vhost)}`);
}
