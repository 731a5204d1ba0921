import { describe, expect, it } from 'vitest';
import { assert, BugError, unreachable } from './assert.js';
import { CodedError, DecodeError } from './errors.js';
import { leaderEpoch, NO_LEADER_EPOCH, offset, producerEpoch } from './ids.js';

describe('ids', () => {
  it('pass numbers in range through and stop on others', () => {
    expect(offset(2 ** 53 - 1)).toBe(2 ** 53 - 1);
    expect(leaderEpoch(-1)).toBe(NO_LEADER_EPOCH);
    for (const bad of [-1, 0.5, 2 ** 53, Number.NaN]) expect(() => offset(bad)).toThrow(BugError);
    expect(() => producerEpoch(32768)).toThrow('ProducerEpoch is out of range: 32768');
  });
});

describe('errors', () => {
  it('carry a code, a cause and the name of their class', () => {
    const cause = new Error('below');
    const error = new DecodeError('truncated', 'Cannot read 2 bytes: only 1 are left', cause);
    expect(error).toBeInstanceOf(CodedError);
    expect([error.name, error.code, error.cause]).toEqual(['DecodeError', 'truncated', cause]);
    expect('cause' in new DecodeError('invalid', 'no cause')).toBe(false);
  });

  it('mark defects', () => {
    expect(() => assert(0, 'zero')).toThrow(new BugError('zero'));
    expect(() => unreachable('x' as never)).toThrow(BugError);
  });
});
