import { describe, expect, it } from 'vitest';
import type { Broker, TopicEntry } from '../../broker/ports.js';
import type { FieldTable, FieldValue } from '../../record/amqp/field-table.js';
import { passesFilter, type StreamStart, startPositions, streamFilter, streamStart } from './stream-terms.js';

const NOW_MS = 1_700_000_000_000;

function text(value: string): FieldValue {
  return { type: 'longstr', value: new TextEncoder().encode(value) };
}

function table(fields: Readonly<Record<string, FieldValue>>): FieldTable {
  return new Map(Object.entries(fields));
}

describe('x-stream-offset', () => {
  it.each<[FieldValue | undefined, StreamStart]>([
    [undefined, { at: 'next' }],
    [text('first'), { at: 'first' }],
    [text('last'), { at: 'last' }],
    [text('next'), { at: 'next' }],
    [text('2h'), { at: 'time', timestampMs: NOW_MS - 7_200_000 }],
    [text('7D'), { at: 'time', timestampMs: NOW_MS - 7 * 86_400_000 }],
    [text('9999Y'), { at: 'time', timestampMs: 0 }],
    [
      { type: 'timestamp', value: 1_600_000_000n },
      { at: 'time', timestampMs: 1_600_000_000_000 },
    ],
    [
      { type: 'int64', value: 12n },
      { at: 'offset', offset: 12 },
    ],
    [
      { type: 'uint8', value: 0 },
      { at: 'offset', offset: 0 },
    ],
  ])('case %#', (value, start) => {
    expect(streamStart(table(value === undefined ? {} : { 'x-stream-offset': value }), NOW_MS)).toEqual(start);
  });

  it.each<FieldValue>([
    text('tomorrow'),
    text('0h'),
    text('1w'),
    { type: 'int32', value: -1 },
    { type: 'boolean', value: true },
    { type: 'void' },
  ])('refuses case %# with 406', (value) => {
    const refused = expect.objectContaining({ code: 'precondition-failed' });
    expect(() => streamStart(table({ 'x-stream-offset': value }), NOW_MS)).toThrow(refused);
  });
});

describe('where reading begins', () => {
  const partitions = [0, 1].map((partition) => ({ partition, logId: partition, slot: partition }));
  // Of a topic and a broker, what is asked for.
  const topic = { name: 't', partitions } as unknown as TopicEntry;
  // As above.
  const broker = {
    bounds: (_topic: TopicEntry, partition: number) =>
      [
        { logStart: 10, end: 20 },
        { logStart: 0, end: 0 },
      ][partition],
    offsetAt: (_topic: TopicEntry, partition: number) => [{ offset: 15, timestampMs: 1 }, undefined][partition],
  } as unknown as Broker;

  it.each<[StreamStart, number[]]>([
    [{ at: 'first' }, [10, 0]],
    [{ at: 'last' }, [16, 0]],
    [{ at: 'next' }, [20, 0]],
    [{ at: 'offset', offset: 12 }, [12, 0]],
    [{ at: 'offset', offset: 3 }, [10, 0]],
    [{ at: 'offset', offset: 99 }, [20, 0]],
    [{ at: 'time', timestampMs: 1 }, [15, 0]],
  ])('case %#', (start, offsets) => {
    expect(startPositions(broker, topic, start).map(({ offset }) => offset)).toEqual(offsets);
  });
});

describe('x-stream-filter', () => {
  const list: FieldValue = { type: 'array', value: [text('a'), text('b'), { type: 'int32', value: 3 }] };
  const yes: FieldValue = { type: 'boolean', value: true };

  it.each<[Record<string, FieldValue>, boolean[]]>([
    [{}, [true, true, true]],
    [{ 'x-stream-filter': text('a') }, [true, false, false]],
    [{ 'x-stream-filter': list }, [true, true, false]],
    [{ 'x-stream-filter': list, 'x-stream-match-unfiltered': yes }, [true, true, true]],
    [{ 'x-stream-match-unfiltered': yes }, [true, true, true]],
    [{ 'x-stream-filter': { type: 'int32', value: 1 } }, [true, true, true]],
  ])('case %#', (terms, passes) => {
    const filter = streamFilter(table(terms));
    const messages = [
      table({ 'x-stream-filter-value': text('a') }),
      table({ 'x-stream-filter-value': text('b') }),
      table({}),
    ];
    expect(messages.map((headers) => passesFilter(filter, headers))).toEqual(passes);
  });
});
