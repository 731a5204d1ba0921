import { describe, expect, it } from 'vitest';
import { closestName } from './closest.js';

describe('closestName', () => {
  const names = ['port', 'amqp-port', 'max-message-size', 'data'];

  it.each([
    ['prot', 'port'],
    ['PORT', 'port'],
    ['amqpport', 'amqp-port'],
    ['max-mesage-size', 'max-message-size'],
    ['dat', 'data'],
  ])('takes %s for %s', (written, meant) => {
    expect(closestName(written, names)).toBe(meant);
  });

  it('guesses nothing where nothing is alike', () => {
    expect(closestName('retention', names)).toBeUndefined();
    expect(closestName('', names)).toBeUndefined();
    expect(closestName('port', [])).toBeUndefined();
  });
});
