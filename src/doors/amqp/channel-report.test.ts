import { describe, expect, it } from 'vitest';
import { addTotals, busiestOf, type ChannelReport, newChannelFigures } from './channel-report.js';

function channel(number: number, unacknowledged: number, unconfirmed = 0): ChannelReport {
  const figures = { ...newChannelFigures(), published: 1, delivered: 2, redelivered: 3, acknowledged: 4 };
  return { ...figures, vhost: '/', connection: 'c', channel: number, consumers: 5, unacknowledged, unconfirmed };
}

describe('reports of channels', () => {
  it('keep those with the most messages under way, and sum the others', () => {
    const { busiest, others } = busiestOf([channel(1, 5), channel(2, 0, 9), channel(3, 1), channel(4, 2)], 2);
    expect(busiest.map((one) => one.channel)).toEqual([2, 1]);
    expect(others).toEqual({
      published: 2,
      delivered: 4,
      redelivered: 6,
      acknowledged: 8,
      consumers: 10,
      unacknowledged: 3,
      unconfirmed: 0,
    });
  });

  it('of several shards are those of one node', () => {
    const shards = [busiestOf([channel(1, 5), channel(2, 4)], 1), busiestOf([channel(3, 9), channel(4, 1)], 1)];
    const named = shards.flatMap(({ busiest }) => busiest);
    const { busiest, others } = busiestOf(named, 1);
    expect(busiest.map((one) => one.channel)).toEqual([3]);
    expect(shards.reduce((sum, shard) => addTotals(sum, shard.others), others)).toMatchObject({
      unacknowledged: 10,
      consumers: 15,
    });
  });
});
