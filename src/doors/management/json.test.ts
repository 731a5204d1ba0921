import { describe, expect, it } from 'vitest';
import { depthOf, parseBody } from './json.js';
import { JSON_DEPTH_MAX } from './limits.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);

describe('a request body', () => {
  it('is an object; nothing, null and undefined stand for an empty one', () => {
    expect(parseBody(bytes('{"a":[1]}'))).toEqual({ a: [1] });
    for (const text of ['', 'null', 'undefined', '{}']) expect(parseBody(bytes(text))).toEqual({});
  });

  it('is refused when it is something else', () => {
    for (const text of ['{', '[1]', '7', 'true', '{"a":1}}', '\u0000']) {
      expect(() => parseBody(bytes(text)), text).toThrow(expect.objectContaining({ code: 'not-json' }));
    }
    expect(() => parseBody(bytes('"{}"'))).toThrow(/doubly-JSON-encoded/);
    expect(() => parseBody(Uint8Array.of(0x7b, 0xff, 0x7d))).toThrow('not_json');
  });

  it('is refused when it is too deep, before it is parsed', () => {
    const deep = (levels: number) => bytes(`{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`);
    expect(parseBody(deep(JSON_DEPTH_MAX))).toBeDefined();
    expect(() => parseBody(deep(JSON_DEPTH_MAX + 1))).toThrow(/within each other/);
    expect(() => parseBody(bytes('['.repeat(2_000_000)))).toThrow(/within each other/);
  });

  it('is not deep for what its texts hold', () => {
    expect(depthOf(bytes('{"[[[[":"]{{{{\\"[[\\\\"}'))).toBe(1);
    expect(depthOf(bytes('"[{'))).toBe(0);
  });
});
