/** Metrics of AMQP channels. Names are part of the interface. */
import { addTotals, busiestOf, type ChannelReports, type ChannelTotals } from '../doors/amqp/index.js';
import type { Family, Sample } from '../doors/http/index.js';
import { OTHERS } from './metric-series.js';
import { LABELLED_CHANNELS_MAX } from './metrics-limits.js';
import type { ShardReport } from './shard-report.js';

const FAMILIES = [
  ['gauge', 'unacknowledged', 'duolog_amqp_channel_unacknowledged', 'Deliveries that the channel has not settled'],
  ['gauge', 'unconfirmed', 'duolog_amqp_channel_unconfirmed', 'Publishes that wait for their confirm'],
  ['gauge', 'consumers', 'duolog_amqp_channel_consumers', 'Consumers of the channel'],
  ['counter', 'published', 'duolog_amqp_channel_published_total', 'Messages published'],
  ['counter', 'delivered', 'duolog_amqp_channel_delivered_total', 'Messages delivered, and got one by one'],
  ['counter', 'redelivered', 'duolog_amqp_channel_redelivered_total', 'Of the delivered ones: not for the first time'],
  ['counter', 'acknowledged', 'duolog_amqp_channel_acknowledged_total', 'Deliveries acknowledged'],
] as const satisfies readonly (readonly ['gauge' | 'counter', keyof ChannelTotals, string, string])[];

/** The busiest channels of all shards, one by one, and the sum of all others. */
export function channelFamilies(reports: readonly ShardReport[], most = LABELLED_CHANNELS_MAX): Family[] {
  const { busiest, others } = ofNode(
    reports.map(({ channels }) => channels),
    most,
  );
  const named = busiest.map(({ vhost, connection, channel, ...totals }) => {
    return { labels: { vhost, connection, channel: String(channel) }, totals: totals as ChannelTotals };
  });
  const all = [...named, { labels: { vhost: '', connection: OTHERS, channel: '' }, totals: others }];
  return FAMILIES.map(([type, key, name, help]) => {
    const samples = all.map(({ labels, totals }): Sample => ({ labels, value: totals[key] }));
    return { type, name, help, samples };
  });
}

function ofNode(shards: readonly ChannelReports[], most: number): ChannelReports {
  const named = shards.flatMap(({ busiest }) => busiest);
  const { busiest, others } = busiestOf(named, most);
  return { busiest, others: shards.reduce((sum, shard) => addTotals(sum, shard.others), others) };
}
