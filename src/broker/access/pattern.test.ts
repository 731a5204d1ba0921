import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PatternError, pattern, permissionPattern } from './pattern.js';

describe('expressions as RabbitMQ searches them', () => {
  // pattern, what it is found in, what it is not found in
  const cases: [string, string[], string[]][] = [
    ['.*', ['', 'a', 'a\nb'], []],
    ['', ['', 'anything'], []],
    ['^', ['', 'a'], []],
    ['$', ['', 'a'], []],
    ['orders', ['orders', 'my orders!', 'xordersx'], ['order', 'Orders', '']],
    ['^orders', ['orders', 'orders.new'], ['my orders']],
    ['orders$', ['orders', 'my orders'], ['orders.new']],
    ['^orders$', ['orders'], ['orders.new', 'my orders', 'orders\n']],
    ['^orders.*', ['orders', 'orders-1'], ['my orders']],
    ['^orders.*$', ['orders', 'orders-1'], ['my orders', 'orders\nx']],
    ['^orders-.*', ['orders-', 'orders-1'], ['orders']],
    [String.raw`^orders\..*`, ['orders.', 'orders.new'], ['orders', 'ordersx']],
    ['a.c', ['abc', 'a.c', 'xxa-cxx'], ['ac']],
    ['^(amq\\.gen.*|amq\\.default)$', ['amq.gen-x', 'amq.default'], ['amq.direct', 'xamq.gen']],
    ['^[a-z]+-\\d{2,3}$', ['abc-12', 'z-999'], ['abc-1', 'ABC-12', 'abc-1234']],
    ['(?i)^ORDERS$', ['orders', 'OrDeRs'], ['order']],
    ['^(?!amq\\.).*', ['orders', ''], ['amq.direct']],
    ['^(?!amq\\.)(?!secret)[a-z.]+$', ['orders', 'amqx'], ['amq.direct', 'secrets', 'A']],
    ['^(?=.*x)(?!y).*z', ['xz', 'axz'], ['z', 'yxz', 'xy']],
    ['^(?!a(b|c)\\)[)(]).', ['ab', 'abc'], ['ab)(', 'ac))']],
    ['\\Aend\\Z', ['end'], ['the end', 'ends']],
    ['ä+', ['ää', 'xä'], ['a']],
  ];
  test.each(cases)('%s', (text, found, missing) => {
    const compiled = pattern(text);
    expect(found.filter((name) => !compiled.test(name))).toEqual([]);
    expect(missing.filter((name) => compiled.test(name))).toEqual([]);
  });

  test('an empty permission is for the empty name alone', () => {
    expect(permissionPattern('').test('')).toBe(true);
    expect(permissionPattern('').test('a')).toBe(false);
  });
});

describe('what cannot be run is refused', () => {
  test.each([
    ['(', /missing/],
    ['a**', /repetition/],
    ['(a)\\1', /escape/],
    ['x(?!y)', /Perl/],
    ['^(?!a)|b', /Perl/],
    ['(?<=a)b', /Perl|capture/],
    [`(${'x'.repeat(100)}){1000}`, /unfold|repeat/],
    ['((a{50}){50}){50}', /unfold|repeat/],
    ['a'.repeat(1025), /1025 bytes/],
    ['[z-a]', /range/],
  ])('%s', (text, complaint) => {
    expect(() => pattern(text)).toThrow(PatternError);
    expect(() => pattern(text)).toThrow(complaint);
  });
});

test('nothing that can be set makes a search run long', () => {
  const evil = ['^(a+)+$', '(x+x+)+y', '(a|a)*b', '(.*)*c', '^(([a-z])+.)+[A-Z]([a-z])+$', '(?:a?){30}a{30}'];
  const texts = ['a'.repeat(255), 'x'.repeat(255), `${'a'.repeat(254)}!`];
  for (const text of evil) {
    const compiled = pattern(text);
    const startMs = performance.now();
    for (const name of texts) for (let count = 0; count < 20; count++) compiled.test(name);
    // Backtracking would take years.
    expect(performance.now() - startMs).toBeLessThan(2_000);
  }
});

test('finds what V8 finds, for expressions that both know', () => {
  const atom = fc.constantFrom('a', 'b', '.', '\\.', '-', '[ab]', '[^a]', '(a|b)', '(?:ab)', '\\d');
  const piece = fc.tuple(atom, fc.constantFrom('', '*', '+', '?', '{1,2}')).map(([one, times]) => one + times);
  const expression = fc
    .tuple(
      fc.constantFrom('', '^', '^(?!a)', '^(?=b)(?!ba)'),
      fc.array(piece, { maxLength: 4 }),
      fc.constantFrom('', '$', '.*'),
    )
    .map(([start, pieces, end]) => start + pieces.join('') + end);
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '.', '-', '1'), maxLength: 6 });
  fc.assert(
    fc.property(expression, name, (text, subject) => {
      expect(pattern(text).test(subject)).toBe(new RegExp(text).test(subject));
    }),
    { numRuns: 3_000 },
  );
});
