import { describe, expect, it } from 'vitest';
import { ExchangeCounters } from './exchange-counters.js';
import { COUNTED_EXCHANGES_MAX } from './limits.js';

describe('counts of exchanges', () => {
  it('are kept by virtual host and name', () => {
    const counters = new ExchangeCounters();
    counters.published('/', 'a', 2);
    counters.published('/', 'a', 0);
    counters.published('/', 'b', 1);
    counters.published('other', 'a', 1);
    counters.held('/', 'b');
    counters.fired('/', 'b', 3);
    counters.fired('/', 'b', 0);
    expect([...counters.all()]).toEqual([
      { vhost: '/', exchange: 'a', published: 2, routed: 2, unroutable: 1 },
      { vhost: '/', exchange: 'b', published: 2, routed: 4, unroutable: 1 },
      { vhost: 'other', exchange: 'a', published: 1, routed: 1, unroutable: 0 },
    ]);
  });

  it('go with their exchange, and begin anew with another of its name', () => {
    const counters = new ExchangeCounters();
    counters.published('/', 'a', 1);
    counters.forget('/', 'a');
    counters.forget('/', 'never seen');
    expect([...counters.all()]).toEqual([]);
    counters.published('/', 'a', 5);
    expect([...counters.all()]).toMatchObject([{ exchange: 'a', published: 1, routed: 5 }]);
  });

  it('have bounded room: what comes later is counted together until somebody goes', () => {
    const counters = new ExchangeCounters();
    for (let index = 0; index < COUNTED_EXCHANGES_MAX + 10; index++) counters.published('/', `x${index}`, 1);
    const all = [...counters.all()];
    expect(all).toHaveLength(COUNTED_EXCHANGES_MAX + 1);
    expect(all.at(-1)).toMatchObject({ exchange: '(others)', published: 10 });
    counters.forget('/', 'x0');
    counters.published('/', 'late', 1);
    expect([...counters.all()].some(({ exchange }) => exchange === 'late')).toBe(true);
  });
});
