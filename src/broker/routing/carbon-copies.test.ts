import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeTable } from '../../record/amqp/field-table.js';
import { anyProperties } from '../../record/amqp/fixtures/arbitraries.js';
import {
  EMPTY_PROPERTIES,
  encodeProperties,
  readProperties,
  replaceHeaders,
  verifyProperties,
} from '../../record/amqp/properties.js';
import { carbonCopies, withoutBcc } from './carbon-copies.js';
import { propertiesWith, tableOf, text, texts } from './fixtures.js';

describe('carbon copies', () => {
  it('are none without headers, without CC and BCC, and with empty ones', () => {
    expect(carbonCopies(EMPTY_PROPERTIES)).toBeUndefined();
    expect(carbonCopies(propertiesWith({ cc: text('x'), BC: text('x'), ACC: text('x') }))).toBeUndefined();
    expect(carbonCopies(propertiesWith({ CC: texts() }))).toBeUndefined();
  });

  it('come from CC and BCC alike; what is no string in them does not count', () => {
    const mixed = { type: 'array', value: [text('käse'), { type: 'int8', value: 1 }, text('')] } as const;
    expect(carbonCopies(propertiesWith({ before: text('x'), CC: mixed, BCC: texts('y') }))).toEqual(['käse', '', 'y']);
  });

  it.each(['CC', 'BCC'])('are refused when %s is no array', (name) => {
    expect(() => carbonCopies(propertiesWith({ [name]: text('x') }))).toThrow(
      `invalid message: {unacceptable_type_in_header,"${name}",longstr}`,
    );
  });

  it('are refused for CC first when both are wrong', () => {
    const both = propertiesWith({ BCC: text('x'), CC: { type: 'int16', value: 1 } });
    expect(() => carbonCopies(both)).toThrow('invalid message: {unacceptable_type_in_header,"CC",short}');
  });
});

describe('withoutBcc', () => {
  it('takes BCC out and nothing else', () => {
    fc.assert(
      fc.property(anyProperties, fc.nat(5), (given, place) => {
        const fields = [...(given.headers ?? [])].filter(([name]) => name !== 'BCC');
        const clean = { ...given, headers: new Map(fields) };
        fields.splice(place, 0, ['BCC', texts('x')]);
        const stripped = withoutBcc(encodeProperties({ ...given, headers: new Map(fields) }));
        verifyProperties(stripped);
        expect(readProperties(stripped)).toEqual(clean);
      }),
    );
  });

  it('returns what it was given when there is none', () => {
    const properties = propertiesWith({ CC: texts('x'), BCX: text('x') });
    expect(withoutBcc(properties)).toBe(properties);
    expect(withoutBcc(EMPTY_PROPERTIES)).toBe(EMPTY_PROPERTIES);
  });

  it('takes out every one of several', () => {
    const once = encodeTable(tableOf({ BCC: texts('x') }));
    const twice = replaceHeaders(EMPTY_PROPERTIES, Uint8Array.of(...once, ...once));
    expect(withoutBcc(twice)).toEqual(propertiesWith({}));
  });
});
