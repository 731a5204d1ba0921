import { beforeEach, describe, expect, it } from 'vitest';
import { EMPTY_PROPERTIES } from '../../record/amqp/properties.js';
import { exchangeOf, propertiesWith, RoutingWorld, text, texts, toExchange, toQueue } from './fixtures.js';

let world: RoutingWorld;

beforeEach(() => {
  world = new RoutingWorld();
  world.declare('a', 'b', 'c');
});

describe('exchange types', () => {
  it('direct: equal keys', () => {
    world.bind(
      toQueue('amq.direct', 'a', 'red'),
      toQueue('amq.direct', 'b', 'red'),
      toQueue('amq.direct', 'c', 'blue'),
    );
    expect(world.names('amq.direct', 'red')).toEqual(['a', 'b']);
    expect(world.names('amq.direct', 'blue')).toEqual(['c']);
    expect(world.names('amq.direct', 'Red')).toEqual([]);
  });

  it('fanout: every binding, whatever the key', () => {
    world.bind(toQueue('amq.fanout', 'a', 'red'), toQueue('amq.fanout', 'b'));
    expect(world.names('amq.fanout', 'green')).toEqual(['a', 'b']);
  });

  it('default: the key is the name', () => {
    expect(world.names('', 'a')).toEqual(['a']);
    expect(world.names('', 'nobody')).toEqual([]);
  });

  it('x-delayed-message: as the type it delays for', () => {
    world.router.exchangeDeclared(exchangeOf('later', 'topic', { type: 'x-delayed-message' }));
    world.bind(toQueue('later', 'a', 'mail.*'));
    expect(world.names('later', 'mail.new')).toEqual(['a']);
    expect(world.names('later', 'mail')).toEqual([]);
  });

  it.each([['amq.direct'], ['amq.fanout'], ['amq.topic'], ['amq.headers'], ['amq.match']])(
    '%s is there in every virtual host by itself',
    (name) => {
      expect(world.names(name, 'key')).toEqual([]);
      expect(world.router.route('unheard-of', name, 'key', EMPTY_PROPERTIES).topics).toEqual([]);
    },
  );

  it('a destination with several matching bindings gets a message once', () => {
    world.bind(toQueue('amq.topic', 'a', '#'), toQueue('amq.topic', 'a', '*'), toQueue('amq.topic', 'a', 'x'));
    expect(world.names('amq.topic', 'x')).toEqual(['a']);
  });

  it('bindings that differ in arguments alone go one by one', () => {
    const plain = toQueue('amq.direct', 'a', 'k');
    const other = toQueue('amq.direct', 'a', 'k', { note: text('x') });
    world.bind(plain, other);
    world.unbind(plain);
    expect(world.names('amq.direct', 'k')).toEqual(['a']);
    world.unbind(other);
    expect(world.names('amq.direct', 'k')).toEqual([]);
  });
});

describe('topic patterns', () => {
  it.each([
    ['a.b', 'a.b', true],
    ['a.b', 'a.b.c', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a', false],
    ['a.*', 'a.', true],
    ['*', '', false],
    ['#', '', true],
    ['', '', true],
    ['', 'a', false],
    ['#', 'a.b.c', true],
    ['a.#', 'a', true],
    ['a.#', 'a.b.c', true],
    ['a.#', 'b', false],
    ['#.b', 'b', true],
    ['#.b', 'a.b', true],
    ['#.b', 'a.b.c', false],
    ['a.#.b', 'a.b', true],
    ['a.#.b', 'a.x.y.b', true],
    ['a.#.b', 'a', false],
    ['#.#', '', true],
    ['#.*.#', '', false],
    ['#.*.#', 'a', true],
    ['*.#', 'a', true],
    ['*.#.*', 'a', false],
    ['*.*', '.', true],
    ['a*', 'ab', false],
    ['a.#b', 'a.b', false],
    ['*', '*', true],
    ['#.a.#.a', 'a.a', true],
    ['#.a.#.a', 'a', false],
  ])('"%s" against "%s": %s', (pattern, key, matches) => {
    world.bind(toQueue('amq.topic', 'a', pattern));
    expect(world.names('amq.topic', key)).toEqual(matches ? ['a'] : []);
  });

  it('full of # take no more than words times nodes', () => {
    world.bind(toQueue('amq.topic', 'a', `${'#.a.'.repeat(30)}b`));
    const started = performance.now();
    expect(world.names('amq.topic', 'a.'.repeat(120))).toEqual([]);
    // By trying every way, as a recursive match does, this takes longer than the machine will stand.
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe('exchanges bound to exchanges', () => {
  it('pass messages on with the same key', () => {
    world.router.exchangeDeclared(exchangeOf('in', 'fanout'));
    world.bind(toExchange('in', 'amq.topic'), toQueue('amq.topic', 'a', 'x.*'), toQueue('in', 'b'));
    expect(world.names('in', 'x.y')).toEqual(['a', 'b']);
    expect(world.names('in', 'y')).toEqual(['b']);
  });

  it('in a circle are visited once each', () => {
    for (const name of ['one', 'two']) world.router.exchangeDeclared(exchangeOf(name, 'fanout'));
    world.bind(toExchange('one', 'two'), toExchange('two', 'one'), toExchange('one', 'one'), toQueue('two', 'a'));
    expect(world.names('one', '')).toEqual(['a']);
    expect(world.names('two', '')).toEqual(['a']);
  });

  it('are passed over when they do not exist', () => {
    world.bind(toExchange('amq.fanout', 'missing'), toQueue('amq.fanout', 'a'));
    expect(world.names('amq.fanout', '')).toEqual(['a']);
  });
});

describe('alternate exchanges', () => {
  it('get what no binding matches, and theirs in turn', () => {
    world.router.exchangeDeclared(exchangeOf('first', 'direct', { alternate: 'second' }));
    world.router.exchangeDeclared(exchangeOf('second', 'direct', { alternate: 'amq.fanout' }));
    world.bind(toQueue('first', 'a', '1'), toQueue('second', 'b', '2'), toQueue('amq.fanout', 'c'));
    expect(world.names('first', '1')).toEqual(['a']);
    expect(world.names('first', '2')).toEqual(['b']);
    expect(world.names('first', '3')).toEqual(['c']);
  });

  it('that name each other end', () => {
    world.router.exchangeDeclared(exchangeOf('first', 'direct', { alternate: 'second' }));
    world.router.exchangeDeclared(exchangeOf('second', 'direct', { alternate: 'first' }));
    expect(world.names('first', '1')).toEqual([]);
  });

  it('get nothing when a binding matches that leads nowhere', () => {
    world.router.exchangeDeclared(exchangeOf('first', 'direct', { alternate: 'amq.fanout' }));
    world.bind(toExchange('first', 'missing', '1'), toQueue('amq.fanout', 'c'));
    expect(world.names('first', '1')).toEqual([]);
    expect(world.names('first', '2')).toEqual(['c']);
  });

  it('need not exist', () => {
    world.router.exchangeDeclared(exchangeOf('first', 'direct', { alternate: 'missing' }));
    expect(world.names('first', '1')).toEqual([]);
  });
});

describe('what is refused', () => {
  it('an exchange that does not exist', () => {
    expect(() => world.route('missing', 'k')).toThrow("no exchange 'missing' in vhost '/'");
    expect(() => world.router.route('unheard-of', 'missing', '', EMPTY_PROPERTIES)).toThrow('no exchange');
    world.router.exchangeDeclared(exchangeOf('gone', 'direct'));
    world.router.exchangeDeleted('/', 'gone');
    expect(() => world.route('gone', 'k')).toThrow(expect.objectContaining({ code: 'not-found' }));
  });

  it('an internal exchange, to clients only', () => {
    world.router.exchangeDeclared(exchangeOf('inner', 'fanout', { internal: true }));
    world.bind(toQueue('inner', 'a'), toExchange('amq.fanout', 'inner'));
    expect(() => world.router.routePublished('/', 'inner', '', EMPTY_PROPERTIES)).toThrow(
      expect.objectContaining({
        code: 'access-refused',
        message: "cannot publish to internal exchange 'inner' in vhost '/'",
      }),
    );
    expect(world.names('inner', '')).toEqual(['a']);
    expect(world.router.routePublished('/', 'amq.fanout', '', EMPTY_PROPERTIES).topics).toHaveLength(1);
  });
});

describe('carbon copies', () => {
  it('are further keys for every type of exchange', () => {
    const copies = propertiesWith({ CC: texts('b', 'b'), BCC: texts('c', 'nobody') });
    world.bind(toQueue('amq.direct', 'b', 'b'), toQueue('amq.topic', 'c', 'c.#'));
    expect(world.names('', 'a', copies)).toEqual(['a', 'b', 'c']);
    expect(world.names('amq.direct', 'a', copies)).toEqual(['b']);
    expect(world.names('amq.topic', 'a', copies)).toEqual(['c']);
  });

  it('do not stay in the cache', () => {
    world.bind(toQueue('amq.direct', 'b', 'b'));
    expect(world.names('amq.direct', 'a', propertiesWith({ CC: texts('b') }))).toEqual(['b']);
    expect(world.names('amq.direct', 'a')).toEqual([]);
    expect(world.names('amq.direct', 'a', propertiesWith({ CC: texts('b') }))).toEqual(['b']);
  });

  it('that are no array are refused', () => {
    expect(() => world.route('amq.fanout', '', propertiesWith({ BCC: text('b') }))).toThrow(
      expect.objectContaining({ code: 'precondition-failed' }),
    );
  });
});

describe('the cache', () => {
  it('keeps a route until something changes that it depends on', () => {
    world.bind(toQueue('amq.topic', 'a', 'x.*'));
    const route = world.route('amq.topic', 'x.y');
    route.cached = 'groups';
    expect(world.route('amq.topic', 'x.y')).toBe(route);
    world.bind(toQueue('amq.direct', 'b', 'k'));
    world.declare('unbound');
    expect(world.route('amq.topic', 'x.y').cached).toBe('groups');
    world.bind(toQueue('amq.topic', 'b', '#'));
    expect(world.names('amq.topic', 'x.y')).toEqual(['a', 'b']);
  });

  it('keeps unroutable keys too, until they are routable', () => {
    expect(world.route('amq.topic', 'x')).toBe(world.route('amq.topic', 'x'));
    world.bind(toQueue('amq.topic', 'a', 'x'));
    expect(world.names('amq.topic', 'x')).toEqual(['a']);
  });

  it('forgets a topic that is replaced or deleted, and finds one that comes back', () => {
    world.bind(toQueue('amq.fanout', 'a'));
    world.router.exchangeDeclared(exchangeOf('through', 'fanout'));
    world.bind(toExchange('through', 'amq.fanout'));
    for (const [exchange, key] of [
      ['amq.fanout', ''],
      ['through', ''],
      ['', 'a'],
    ] as const) {
      const before = world.route(exchange, key).topics[0];
      world.declare('a');
      expect(world.route(exchange, key).topics[0]).toBe(world.topics.get('a'));
      expect(world.route(exchange, key).topics[0]).not.toBe(before);
      world.delete('a');
      expect(world.names(exchange, key)).toEqual([]);
      world.declare('a');
      expect(world.names(exchange, key)).toEqual(['a']);
    }
  });

  it('follows changes of exchanges further on', () => {
    world.router.exchangeDeclared(exchangeOf('through', 'fanout'));
    world.bind(toExchange('through', 'amq.topic'));
    expect(world.names('through', 'k')).toEqual([]);
    world.bind(toQueue('amq.topic', 'a', 'k'));
    expect(world.names('through', 'k')).toEqual(['a']);
  });

  it('keeps routes over changes elsewhere again when no way leads on any more', () => {
    const onward = toExchange('amq.topic', 'amq.direct', 'other');
    world.bind(toQueue('amq.topic', 'a', 'k'), onward);
    world.unbind(onward);
    const route = world.route('amq.topic', 'k');
    world.bind(toQueue('amq.direct', 'b', 'k'));
    expect(world.route('amq.topic', 'k')).toBe(route);
  });

  it('does not hold what headers decided, also further on', () => {
    world.router.exchangeDeclared(exchangeOf('through', 'fanout'));
    world.bind(toExchange('through', 'amq.headers'), toQueue('amq.headers', 'a', '', { kind: text('x') }));
    expect(world.names('through', '')).toEqual([]);
    expect(world.names('through', '', propertiesWith({ kind: text('x') }))).toEqual(['a']);
    expect(world.names('through', '')).toEqual([]);
  });

  it('serves the default exchange without looking up again', () => {
    world.router.exchangeDeclared(exchangeOf('x', 'direct'));
    world.names('', 'a');
    const before = world.lookups;
    expect(world.route('', 'a')).toBe(world.route('', 'a'));
    expect(world.lookups).toBe(before);
  });
});

describe('virtual hosts', () => {
  it('have exchanges and bindings of their own', () => {
    world.router.exchangeDeclared(exchangeOf('x', 'fanout', { vhost: 'other' }));
    world.router.bound('other', toQueue('amq.fanout', 'a'));
    expect(world.names('amq.fanout', '')).toEqual([]);
    expect(() => world.route('x', '')).toThrow('no exchange');
  });
});

describe('explain', () => {
  it('tells the steps and why bindings match', () => {
    world.router.exchangeDeclared(exchangeOf('in', 'direct', { alternate: 'amq.topic' }));
    world.bind(toQueue('in', 'a', 'k'), toExchange('amq.topic', 'amq.fanout', 'mail.#'), toQueue('amq.fanout', 'b'));
    const steps = world.router.explain('/', 'in', 'mail.new', EMPTY_PROPERTIES);
    expect(steps.map(({ exchange, reachedBy, from, note }) => [exchange, reachedBy, from, note])).toEqual([
      [
        'in',
        'publish',
        '',
        'None of 1 bindings matches "mail.new": its alternate exchange "amq.topic" gets the message.',
      ],
      ['amq.topic', 'alternate', 'in', '1 of 1 bindings match.'],
      ['amq.fanout', 'binding', 'amq.topic', '1 of 1 bindings match.'],
    ]);
    expect(steps.flatMap(({ matches }) => matches.map(({ reason }) => reason))).toEqual([
      'the pattern "mail.#" matches "mail.new"',
      'a fanout exchange passes everything on',
    ]);
  });

  it('tells of the default exchange, of headers and of copies', () => {
    expect(world.router.explain('/', '', 'a', propertiesWith({ CC: texts('b') }))[0]?.matches).toHaveLength(2);
    expect(world.router.explain('/', '', 'nobody', EMPTY_PROPERTIES)[0]?.note).toBe(
      'No topic or queue has the name "nobody".',
    );
    world.bind(toQueue('amq.headers', 'a', '', { kind: text('x'), size: { type: 'void' } }));
    const properties = propertiesWith({ kind: text('x'), size: { type: 'int8', value: 1 } });
    expect(world.router.explain('/', 'amq.headers', '', properties)[0]?.matches[0]?.reason).toBe(
      'every header that is asked for matches: "kind" is equal, "size" is there',
    );
    expect(() => world.router.explain('/', 'missing', '', EMPTY_PROPERTIES)).toThrow('no exchange');
  });
});
