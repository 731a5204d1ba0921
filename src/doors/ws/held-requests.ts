/** Readers of the requests about messages that somebody holds, or that wait for their time. Each throws BrokerError. */
import * as check from './checks.js';
import type * as commands from './commands.js';
import { invalidRequest } from './errors.js';
import * as limits from './limits.js';
import type { WireKind } from './wire-types.js';

/** The question who holds messages of a queue. */
export function listUnacked(
  request: WireKind<'listUnacked'>,
  session: limits.RequestScope,
): commands.ListUnackedCommand {
  return {
    kind: 'list-unacked',
    name: check.checkedName(request.name),
    vhost: check.checkedVhost(request.vhost, session.vhost),
    limit: Math.min(request.limit || limits.DEFAULT_HOLDERS, limits.MAX_LISTING_ENTRIES),
  };
}

/** The question how many messages wait for their time. */
export function countDelayed(
  request: WireKind<'countDelayed'>,
  session: limits.RequestScope,
): commands.CountDelayedCommand {
  const { exchange } = request;
  return {
    kind: 'count-delayed',
    vhost: check.checkedVhost(request.vhost, session.vhost),
    exchange: exchange === undefined || exchange === null ? undefined : checkedExchange(exchange),
  };
}

/** The wish that messages do not wait any longer, and go nowhere. */
export function cancelDelayed(
  request: WireKind<'cancelDelayed'>,
  session: limits.RequestScope,
): commands.CancelDelayedCommand {
  const { messageId } = request;
  if (!messageId) throw invalidRequest('The request names no message id');
  check.checkedLongText('The message id', messageId, limits.MAX_SHORT_TEXT);
  return {
    kind: 'cancel-delayed',
    vhost: check.checkedVhost(request.vhost, session.vhost),
    exchange: checkedExchange(request.exchange ?? ''),
    messageId,
  };
}

/** The default exchange has no name. */
function checkedExchange(name: string): string {
  return name === '' ? '' : check.checkedName(name, 'exchange');
}
