/** Counts of messages with their rates, as RabbitMQ's API names them. */
import type { Json, JsonObject } from '../../doors/management/json.js';

/** A count and its rate, by RabbitMQ's names. */
export type Count = readonly [name: string, value: number, rate: number];

/** `name` and `name_details.rate` for each count. */
export function withRates(counts: readonly Count[]): JsonObject {
  const item: Record<string, Json> = {};
  for (const [name, value, rate] of counts) {
    item[name] = value;
    item[`${name}_details`] = { rate };
  }
  return item;
}

/** What was delivered and what became of it, where nobody knows who asked for it in which way. */
export interface DeliveryCounts {
  readonly published: number;
  readonly delivered: number;
  readonly redelivered: number;
  readonly acknowledged: number;
}

/** The names of RabbitMQ for them. Messages got one by one are among those delivered. */
export function deliveryStats(counts: DeliveryCounts, rate: (index: number) => number): readonly Count[] {
  return [
    ['publish', counts.published, rate(0)],
    ['deliver', counts.delivered, rate(1)],
    ['deliver_get', counts.delivered, rate(1)],
    ['redeliver', counts.redelivered, rate(2)],
    ['ack', counts.acknowledged, rate(3)],
    ['deliver_no_ack', 0, 0],
    ['get', 0, 0],
    ['get_no_ack', 0, 0],
    ['get_empty', 0, 0],
  ];
}

/** The counters in the order of the rates above. */
export function deliverySample(counts: DeliveryCounts): number[] {
  return [counts.published, counts.delivered, counts.redelivered, counts.acknowledged];
}
