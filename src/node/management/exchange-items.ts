/** Exchanges as RabbitMQ's API shows them. */
import type { ExchangeEntry } from '../../broker/model.js';
import type { JsonObject } from '../../doors/management/json.js';
import type { ListShape } from '../../doors/management/lists.js';
import { tableToJson } from '../../doors/management/tables.js';
import type { ShardReport } from '../shard-report.js';
import { withRates } from './message-stats.js';
import type { Rates } from './rates.js';

/** What was published to an exchange, and what it handed on. */
export interface ExchangeFigures {
  readonly published: number;
  readonly routed: number;
  readonly unroutable: number;
}

/** What items of exchanges are made of. */
export interface ExchangeContext {
  readonly counts: ReadonlyMap<string, ExchangeFigures>;
  readonly rates: Rates;
  readonly policy: (exchange: ExchangeEntry) => string | null;
}

/** Key of an exchange's counts and samples. */
export function exchangeKey(vhost: string, name: string): string {
  return `exchange ${vhost}\0${name}`;
}

/** The counts of all shards together. */
export function exchangeCounts(reports: readonly ShardReport[]): ReadonlyMap<string, ExchangeFigures> {
  const sums = new Map<string, ExchangeFigures>();
  for (const { exchanges } of reports) {
    for (const { vhost, exchange, published, routed, unroutable } of exchanges) {
      const key = exchangeKey(vhost, exchange);
      const before = sums.get(key) ?? { published: 0, routed: 0, unroutable: 0 };
      sums.set(key, {
        published: before.published + published,
        routed: before.routed + routed,
        unroutable: before.unroutable + unroutable,
      });
    }
  }
  return sums;
}

/** Everything that is told of an exchange. */
export function exchangeItem(exchange: ExchangeEntry, { counts, rates, policy }: ExchangeContext): JsonObject {
  const key = exchangeKey(exchange.vhost, exchange.name);
  const figures = counts.get(key);
  const rate = rates.of(key);
  const named = policy(exchange);
  return {
    arguments: tableToJson(exchange.arguments),
    auto_delete: exchange.autoDelete,
    durable: exchange.durable,
    internal: exchange.internal,
    ...(figures === undefined
      ? {}
      : {
          message_stats: withRates([
            ['publish_in', figures.published, rate(0)],
            ['publish_out', figures.routed, rate(1)],
          ]),
        }),
    name: exchange.name,
    ...(named === null ? {} : { policy: named }),
    type: exchange.type,
    user_who_performed_action: '',
    vhost: exchange.vhost,
  };
}

/** Lists of exchanges. */
export function exchangeShape(context: ExchangeContext): ListShape<ExchangeEntry> {
  return { order: ['vhost', 'name'], name: ({ name }) => name, item: (exchange) => exchangeItem(exchange, context) };
}
