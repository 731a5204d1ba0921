import { describe, expect, it } from 'vitest';
import type { FieldValue } from '../../record/amqp/field-table.js';
import { encodeTable } from '../../record/amqp/field-table.js';
import { propertiesWith, RoutingWorld, tableOf, text, texts, toQueue } from './fixtures.js';
import { checkHeadersBinding } from './headers-table.js';

type Fields = Readonly<Record<string, FieldValue>>;

const one: FieldValue = { type: 'int32', value: 1 };
const two: FieldValue = { type: 'int32', value: 2 };
const nothing: FieldValue = { type: 'void' };

function matches(binding: Fields, headers: Fields): boolean {
  const world = new RoutingWorld();
  world.declare('q');
  world.bind(toQueue('amq.headers', 'q', '', binding));
  return world.names('amq.headers', '', propertiesWith(headers)).length === 1;
}

describe('a headers exchange', () => {
  it.each<[string, Fields, Fields, boolean]>([
    ['all is what counts without x-match', { a: one, b: two }, { a: one, b: two, c: one }, true],
    ['all, one is other', { a: one, b: two }, { a: one, b: one }, false],
    ['all, one is missing', { 'x-match': text('all'), a: one, b: two }, { a: one }, false],
    ['all, nothing asked for', {}, { a: one }, true],
    ['all, no headers', { a: one }, {}, false],
    ['any, one of two', { 'x-match': text('any'), a: one, b: two }, { b: two }, true],
    ['any, none', { 'x-match': text('any'), a: one }, { a: two }, false],
    ['any, nothing asked for', { 'x-match': text('any') }, { a: one }, false],
    ['x- arguments do not count for all', { 'x-foo': one, a: one }, { a: one }, true],
    ['x- arguments do not count for any', { 'x-match': text('any'), 'x-foo': one }, { 'x-foo': one }, false],
    ['x- arguments count for all-with-x', { 'x-match': text('all-with-x'), 'x-foo': one }, { 'x-foo': two }, false],
    ['x- headers match for all-with-x', { 'x-match': text('all-with-x'), 'x-foo': one }, { 'x-foo': one }, true],
    [
      'x- headers match for any-with-x',
      { 'x-match': text('any-with-x'), 'x-foo': one, a: one },
      { 'x-foo': one },
      true,
    ],
    ['x-match itself never counts', { 'x-match': text('any-with-x') }, { 'x-match': text('any-with-x') }, false],
    ['void asks for presence', { a: nothing }, { a: text('what ever') }, true],
    ['void asks for presence, and it is missing', { a: nothing }, { b: one }, false],
    ['a void header is present', { a: nothing }, { a: nothing }, true],
    ['a void header has no value', { a: one }, { a: nothing }, false],
    ['integers of other width', { a: one }, { a: { type: 'int64', value: 1n } }, true],
    ['integers of other sign type', { a: { type: 'uint8', value: 200 } }, { a: { type: 'int16', value: 200 } }, true],
    ['an integer is no float', { a: one }, { a: { type: 'double', value: 1 } }, false],
    ['a float is a double', { a: { type: 'float', value: 0.5 } }, { a: { type: 'double', value: 0.5 } }, true],
    ['an integer is no string', { a: one }, { a: text('1') }, false],
    ['bytes are a string', { a: text('x') }, { a: { type: 'bytes', value: Uint8Array.of(0x78) } }, true],
    ['a boolean', { a: { type: 'boolean', value: true } }, { a: { type: 'boolean', value: false } }, false],
    ['a timestamp', { a: { type: 'timestamp', value: 5n } }, { a: { type: 'timestamp', value: 5n } }, true],
    ['a decimal', { a: { type: 'decimal', scale: 1, value: 5 } }, { a: { type: 'decimal', scale: 1, value: 5 } }, true],
    [
      'another decimal',
      { a: { type: 'decimal', scale: 1, value: 5 } },
      { a: { type: 'decimal', scale: 2, value: 50 } },
      false,
    ],
    ['an array', { a: texts('x', 'y') }, { a: texts('x', 'y') }, true],
    ['another array', { a: texts('x', 'y') }, { a: texts('y', 'x') }, false],
    [
      'a table',
      { a: { type: 'table', value: tableOf({ b: one }) } },
      { a: { type: 'table', value: tableOf({ b: one }) } },
      true,
    ],
    ['names have case', { A: one }, { a: one }, false],
  ])('%s', (_name, binding, headers, wanted) => {
    expect(matches(binding, headers)).toBe(wanted);
  });

  it('needs no headers at all when nothing is asked for', () => {
    const world = new RoutingWorld();
    world.declare('q');
    world.bind(toQueue('amq.match', 'q'));
    expect(world.names('amq.match', '')).toEqual(['q']);
  });

  it.each([
    [{}, undefined],
    [{ 'x-match': text('any-with-x') }, undefined],
    [{ 'x-match': text('some') }, 'Invalid x-match field value some'],
    [{ 'x-match': one }, 'Invalid x-match field type'],
  ])('is bound with a known x-match only: %o', (fields: Fields, message) => {
    const check = (): void => checkHeadersBinding(encodeTable(tableOf(fields)));
    if (message === undefined) expect(check).not.toThrow();
    else
      expect(check).toThrow(
        expect.objectContaining({ code: 'precondition-failed', message: expect.stringContaining(message) }),
      );
  });
});
