/** What a monitor is told of channels: a few by name, and all others together, so that a thousand connections make no thousand series. */

/** What a channel has done since it was opened; plain numbers that only grow. */
export interface ChannelFigures {
  published: number;
  /** To consumers, and got one by one. */
  delivered: number;
  /** Of those: not for the first time. */
  redelivered: number;
  acknowledged: number;
}

/** All zero. */
export function newChannelFigures(): ChannelFigures {
  return { published: 0, delivered: 0, redelivered: 0, acknowledged: 0 };
}

/** The state of one channel, or of several together. */
export interface ChannelTotals extends Readonly<ChannelFigures> {
  readonly consumers: number;
  /** Deliveries that are not settled. */
  readonly unacknowledged: number;
  /** Publishes that wait for their confirm. */
  readonly unconfirmed: number;
}

/** One channel. */
export interface ChannelReport extends ChannelTotals {
  readonly vhost: string;
  /** The connection's name for people. */
  readonly connection: string;
  readonly channel: number;
}

/** Channels of one shard, or of a node. */
export interface ChannelReports {
  /** Those with the most messages under way. */
  readonly busiest: readonly ChannelReport[];
  /** All others. */
  readonly others: ChannelTotals;
}

const NOTHING: ChannelTotals = {
  ...newChannelFigures(),
  consumers: 0,
  unacknowledged: 0,
  unconfirmed: 0,
};

/** The sum of two. */
export function addTotals(left: ChannelTotals, right: ChannelTotals): ChannelTotals {
  return {
    published: left.published + right.published,
    delivered: left.delivered + right.delivered,
    redelivered: left.redelivered + right.redelivered,
    acknowledged: left.acknowledged + right.acknowledged,
    consumers: left.consumers + right.consumers,
    unacknowledged: left.unacknowledged + right.unacknowledged,
    unconfirmed: left.unconfirmed + right.unconfirmed,
  };
}

/** Keeps the `most` channels with the most messages under way, and sums the others, those of `before` included. */
export function busiestOf(
  channels: Iterable<ChannelReport>,
  most: number,
  before: ChannelTotals = NOTHING,
): ChannelReports {
  const all = [...channels].sort((left, right) => underWay(right) - underWay(left));
  return { busiest: all.slice(0, most), others: all.slice(most).reduce(addTotals, before) };
}

function underWay({ unacknowledged, unconfirmed }: ChannelTotals): number {
  return unacknowledged + unconfirmed;
}
