import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from './json.js';
import { type ListShape, listParameters, listText, pick } from './lists.js';

const SHAPE: ListShape<JsonObject> = { order: ['vhost', 'name'], item: (item) => item };

async function list(items: readonly JsonObject[], query: string, shape: ListShape<JsonObject> = SHAPE): Promise<Json> {
  return JSON.parse(await listText(items, shape, listParameters(new URLSearchParams(query)))) as Json;
}

const queue = (name: string, messages: number): JsonObject => ({
  vhost: '/',
  name,
  messages,
  message_stats: { publish: messages, publish_details: { rate: messages / 2 } },
});
const QUEUES = [queue('b', 2), queue('a', 9), queue('C', 1)];

describe('a list', () => {
  it('is sorted by its own order, or by a column, and can be turned round', async () => {
    const names = async (query: string) => ((await list(QUEUES, query)) as JsonObject[]).map(({ name }) => name);
    expect(await names('')).toEqual(['C', 'a', 'b']);
    expect(await names('sort=messages')).toEqual(['C', 'b', 'a']);
    expect(await names('sort=messages&sort_reverse=true')).toEqual(['a', 'b', 'C']);
    expect(await names('sort=message_stats.publish_details.rate')).toEqual(['C', 'b', 'a']);
    expect(await names('sort=not.there')).toEqual(['C', 'a', 'b']);
  });

  it('comes in pages with counts', async () => {
    expect(await list(QUEUES, 'page=2&page_size=2&columns=name')).toEqual({
      filtered_count: 3,
      item_count: 1,
      items: [{ name: 'b' }],
      page: 2,
      page_count: 2,
      page_size: 2,
      total_count: 3,
    });
    expect(await list([], 'page=1')).toMatchObject({ total_count: 0, page_count: 0, items: [], page_size: 100 });
  });

  it('is filtered by a part of the name or by a pattern, whatever the case', async () => {
    expect(await list(QUEUES, 'page=1&name=c&columns=name')).toMatchObject({
      filtered_count: 1,
      items: [{ name: 'C' }],
    });
    expect(await list(QUEUES, 'page=1&name=%5E%5Bab%5D%24&use_regex=true')).toMatchObject({ filtered_count: 2 });
  });

  it('refuses pages that are not there, and patterns that are none', async () => {
    const refused = async (query: string) => {
      try {
        await list(QUEUES, query);
      } catch (thrown) {
        return (thrown as { readonly code: string }).code;
      }
      return 'taken';
    };
    expect(await refused('page=5&page_size=1')).toBe('page-out-of-range');
    expect(await refused('page=4&page_size=1')).toBe('taken');
    for (const query of ['page=0', 'page=1&page_size=0', 'page=1&page_size=501']) {
      expect(await refused(query)).toBe('invalid-pagination');
    }
    expect(await refused('page=x')).toBe('bad-request');
    expect(await refused('page=1&use_regex=true&name=(')).toBe('bad-request');
    expect(await refused(`page=1&name=${'x'.repeat(300)}`)).toBe('bad-request');
    expect(await refused(`columns=${'a,'.repeat(100)}`)).toBe('bad-request');
  });

  it('is not held up by a pattern that others would try for ever', async () => {
    const items = [queue(`${'a'.repeat(200)}!`, 1)];
    const started = performance.now();
    expect(await list(items, 'page=1&use_regex=true&name=(a%2B)%2B%24')).toMatchObject({ filtered_count: 0 });
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it('makes whole items of no more than the page where columns that sort are cheap', async () => {
    let made = 0;
    const shape: ListShape<JsonObject> = {
      order: ['name'],
      basic: { columns: new Set(['name', 'vhost']), item: ({ name = '', vhost = '' }) => ({ name, vhost }) },
      item: (item) => {
        made++;
        return item;
      },
    };
    const many = Array.from({ length: 5000 }, (_, index) => queue(`q${index}`, index));
    expect(await list(many, 'page=3&page_size=10', shape)).toMatchObject({ item_count: 10, total_count: 5000 });
    expect(made).toBe(10);
    await list(many, 'columns=name', shape);
    expect(made).toBe(10);
    await list(many, 'page=1&page_size=10&sort=messages', shape);
    expect(made).toBe(5020);
  });

  it('pages add up to the list, whatever is in it', async () => {
    const value = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom('', 'a', 'b'), fc.boolean());
    const rows = fc.array(fc.record({ name: fc.constantFrom('x', 'y', 'z'), value }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 7 }), fc.boolean(), async (given, size, reverse) => {
        const items = given.map((row, index) => ({ ...row, id: index }));
        const query = `sort=value&sort_reverse=${reverse}`;
        const whole = (await list(items, query)) as JsonObject[];
        const paged: Json[] = [];
        for (let page = 1; (page - 1) * size < items.length; page++) {
          const one = (await list(items, `${query}&page=${page}&page_size=${size}`)) as { readonly items: Json[] };
          paged.push(...one.items);
        }
        expect(paged).toEqual(whole);
        expect(whole.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual(items.map(({ id }) => id));
      }),
    );
  });
});

describe('columns', () => {
  it('keep what was asked for, in depth', () => {
    const item = queue('a', 4);
    expect(pick(item, [['name'], ['message_stats', 'publish_details', 'rate'], ['nothing']])).toEqual({
      name: 'a',
      message_stats: { publish_details: { rate: 2 } },
    });
    expect(pick(item, [['message_stats']])).toEqual({ message_stats: item['message_stats'] });
  });
});
