import { describe, expect, it } from 'vitest';
import { encodeUtf8 } from '../../base/utf8.js';
import { type FieldTable, type FieldValue, integerOf, textOf } from '../../record/amqp/field-table.js';
import { type BasicProperties, encodeProperties, readProperties } from '../../record/amqp/properties.js';
import { type Death, type DeathReason, deadLetterProperties, isDeathCycle } from './death-headers.js';

const text = (value: string): FieldValue => ({ type: 'longstr', value: encodeUtf8(value) });
const texts = (...values: string[]): FieldValue => ({ type: 'array', value: values.map(text) });

function die(properties: Uint8Array, changes: Partial<Death> = {}): Uint8Array {
  return deadLetterProperties(properties, {
    queue: 'q',
    reason: 'expired',
    timeMs: 1_700_000_000_999,
    exchange: 'x',
    routingKey: 'k',
    newRoutingKey: undefined,
    ...changes,
  });
}

function headers(properties: Uint8Array): FieldTable {
  return readProperties(properties).headers ?? new Map();
}

function deaths(properties: Uint8Array): FieldTable[] {
  const field = headers(properties).get('x-death');
  if (field?.type !== 'array') throw new Error('There is no x-death');
  return field.value.map((value) => {
    if (value.type !== 'table') throw new Error('A death is no table');
    return value.value;
  });
}

function routingKeys(death: FieldTable | undefined): (string | undefined)[] {
  const keys = death?.get('routing-keys');
  return keys?.type === 'array' ? keys.value.map(textOf) : [];
}

const plain = (properties: BasicProperties = {}): Uint8Array => encodeProperties(properties);

describe('the properties of a dead letter', () => {
  it('say where, when and why it died, and how often', () => {
    const properties = die(plain({ contentType: 'text/plain', deliveryMode: 2 }));
    const [death] = deaths(properties);
    expect(textOf(death?.get('queue'))).toBe('q');
    expect(textOf(death?.get('reason'))).toBe('expired');
    expect(textOf(death?.get('exchange'))).toBe('x');
    expect(integerOf(death?.get('count'))).toBe(1);
    expect(death?.get('count')?.type).toBe('int64');
    expect(death?.get('time')).toEqual({ type: 'timestamp', value: 1_700_000_000n });
    expect(routingKeys(death)).toEqual(['k']);
    expect(readProperties(properties)).toMatchObject({ contentType: 'text/plain', deliveryMode: 2 });
    for (const which of ['first', 'last']) {
      expect(textOf(headers(properties).get(`x-${which}-death-queue`))).toBe('q');
      expect(textOf(headers(properties).get(`x-${which}-death-reason`))).toBe('expired');
      expect(textOf(headers(properties).get(`x-${which}-death-exchange`))).toBe('x');
    }
  });

  it('have no expiration, but tell the one that was', () => {
    const properties = die(plain({ expiration: '250' }));
    expect(readProperties(properties).expiration).toBeUndefined();
    expect(textOf(deaths(properties)[0]?.get('original-expiration'))).toBe('250');
    expect(deaths(die(plain()))[0]?.has('original-expiration')).toBe(false);
  });

  it('count a death of the same queue and reason, and put the latest first', () => {
    let properties = die(plain());
    properties = die(properties, { queue: 'r', reason: 'rejected', exchange: 'y' });
    properties = die(properties, { exchange: 'other', timeMs: 0 });
    const [latest, before, ...more] = deaths(properties);
    expect(more).toEqual([]);
    expect(integerOf(latest?.get('count'))).toBe(2);
    // What is said about the first time stays.
    expect(textOf(latest?.get('exchange'))).toBe('x');
    expect(textOf(before?.get('queue'))).toBe('r');
    expect(textOf(headers(properties).get('x-first-death-queue'))).toBe('q');
    expect(textOf(headers(properties).get('x-last-death-queue'))).toBe('q');
    expect(textOf(headers(properties).get('x-last-death-exchange'))).toBe('other');
  });

  it('tell another reason in the same queue apart', () => {
    const properties = die(die(plain()), { reason: 'maxlen' });
    expect(deaths(properties).map((death) => textOf(death.get('reason')))).toEqual(['maxlen', 'expired']);
  });

  it('have the CC keys among the routing keys, and lose CC only for a new key', () => {
    const cc = plain({ headers: new Map([['CC', texts('a', 'b')]]) });
    expect(routingKeys(deaths(die(cc))[0])).toEqual(['k', 'a', 'b']);
    expect(headers(die(cc)).has('CC')).toBe(true);
    const rerouted = die(cc, { newRoutingKey: 'dead' });
    expect(routingKeys(deaths(rerouted)[0])).toEqual(['k', 'a', 'b']);
    expect(headers(rerouted).has('CC')).toBe(false);
  });

  it('begin anew where a client has made something else of x-death', () => {
    const properties = die(plain({ headers: new Map([['x-death', text('[{count=1}]')]]) }));
    expect(deaths(properties)).toHaveLength(1);
    expect(headers(properties).has('x-first-death-queue')).toBe(false);
  });

  it('group what an old node has written as one entry for each death', () => {
    const old = (): FieldValue => ({
      type: 'table',
      value: new Map([
        ['queue', text('q')],
        ['reason', text('expired')],
      ]),
    });
    const properties = die(plain({ headers: new Map([['x-death', { type: 'array', value: [old(), old()] }]]) }));
    expect(deaths(properties).map((death) => integerOf(death.get('count')))).toEqual([3]);
  });
});

describe('a circle of dead letters', () => {
  const through = (...way: [queue: string, reason: DeathReason][]): Uint8Array =>
    way.reduce((properties, [queue, reason]) => die(properties, { queue, reason }), plain());

  it('is one when the message has been there, and nobody rejected it since', () => {
    expect(isDeathCycle(through(['a', 'expired'], ['b', 'maxlen']), 'a', 'maxlen')).toBe(true);
    expect(isDeathCycle(through(['a', 'expired'], ['b', 'maxlen']), 'c', 'maxlen')).toBe(false);
    expect(isDeathCycle(through(['a', 'expired']), 'a', 'expired')).toBe(true);
  });

  it('is none when a consumer has rejected it on the way, or just now', () => {
    expect(isDeathCycle(through(['a', 'expired'], ['b', 'rejected']), 'a', 'rejected')).toBe(false);
    expect(isDeathCycle(through(['a', 'expired'], ['b', 'rejected'], ['c', 'expired']), 'a', 'expired')).toBe(false);
    expect(isDeathCycle(through(['a', 'rejected'], ['b', 'expired']), 'a', 'expired')).toBe(false);
    // A rejection before the circle began does not open it.
    expect(isDeathCycle(through(['z', 'rejected'], ['a', 'expired']), 'a', 'expired')).toBe(true);
  });

  it('is none for a message without deaths', () => {
    expect(isDeathCycle(plain(), 'a', 'expired')).toBe(false);
  });
});
