import { expect, it } from 'vitest';
import type { TopicSettings } from '../ports.js';
import { SharedSettings } from './shared-settings.js';

const plain: TopicSettings = {
  kind: 'queue',
  durability: 2,
  retentionMs: -1,
  retentionBytes: -1,
  segmentBytes: 1,
  segmentMs: -1,
  lingerMs: 0,
};
const queue = { durable: true, autoDelete: false, exclusiveOwner: '', arguments: new Uint8Array([1, 2]) };

it('gives one object for settings that are the same, and never another one', () => {
  const shared = new SharedSettings();
  const all: TopicSettings[] = [
    plain,
    { ...plain, kind: 'topic' },
    { ...plain, durability: 1 },
    { ...plain, retentionMs: 5 },
    { ...plain, retentionBytes: 5 },
    { ...plain, segmentBytes: 5 },
    { ...plain, segmentMs: 5 },
    { ...plain, lingerMs: 5 },
    { ...plain, queue },
    { ...plain, queue: { ...queue, durable: false } },
    { ...plain, queue: { ...queue, autoDelete: true } },
    { ...plain, queue: { ...queue, exclusiveOwner: 'me' } },
    { ...plain, queue: { ...queue, arguments: new Uint8Array([1, 3]) } },
    { ...plain, queue: { ...queue, arguments: new Uint8Array([1]) } },
  ];
  for (const one of all) expect(shared.of(one)).toEqual(one);
  for (const one of all) {
    const first = shared.of(one);
    expect(shared.of(structuredClone(one))).toBe(first);
  }
});
