import { describe, expect, it } from 'vitest';
import { GROUPS_PER_LOG_MAX, OFFSETS_CHANGE_BYTES } from './metadata-limits.js';
import { NamedOffsets } from './offsets.js';

const at = (offset: number, metadata = '', committedMs = 1000) => ({ offset, metadata, committedMs });

function replay(changes: readonly Uint8Array[], snapshot?: Uint8Array): NamedOffsets {
  const offsets = new NamedOffsets();
  offsets.restore(snapshot);
  for (const change of changes) offsets.apply(change);
  return offsets;
}

function take(offsets: NamedOffsets): Uint8Array[] {
  const changes: Uint8Array[] = [];
  for (let change = offsets.takeChange(); change !== undefined; change = offsets.takeChange()) changes.push(change);
  return changes;
}

describe('NamedOffsets', () => {
  it('replays commits and forgotten groups, from changes and from a snapshot', () => {
    const offsets = new NamedOffsets();
    offsets.commit('readers', at(5, 'héllo'));
    offsets.commit('others', at(7));
    const changes = take(offsets);
    const snapshot = offsets.snapshot();
    offsets.commit('readers', at(2 ** 40, '', 2000));
    expect([offsets.forget('others'), offsets.forget('others')]).toEqual([true, false]);
    const later = take(offsets);
    expect([...replay(changes).entries()]).toEqual([
      ['readers', at(5, 'héllo')],
      ['others', at(7)],
    ]);
    for (const replica of [replay([...changes, ...later]), replay(later, snapshot)]) {
      expect([...replica.entries()]).toEqual([['readers', at(2 ** 40, '', 2000)]]);
    }
    expect(offsets.takeChange()).toBeUndefined();
  });

  it('cuts offsets beyond the end of a recovered log, durably', () => {
    const offsets = new NamedOffsets();
    offsets.commit('readers', at(12));
    offsets.commit('slow', at(10));
    const changes = take(offsets);
    const recovered = replay(changes);
    recovered.recovered(10);
    expect([recovered.fetch('readers')?.offset, recovered.fetch('slow')?.offset]).toEqual([10, 10]);
    expect(replay([...changes, ...take(recovered)]).fetch('readers')?.offset).toBe(10);
  });

  it('forgets groups that have not committed for long', () => {
    const offsets = new NamedOffsets();
    offsets.commit('old', at(1, '', 10));
    offsets.commit('new', at(1, '', 20));
    expect(offsets.expire(20)).toBe(1);
    expect([offsets.fetch('old'), offsets.size]).toEqual([undefined, 1]);
  });

  it('writes many commits of one turn as several changes', () => {
    const offsets = new NamedOffsets();
    for (let group = 0; group < 100; group++) offsets.commit(`group-${group}`, at(group, 'm'.repeat(4000)));
    const changes = take(offsets);
    expect(changes.length).toBeGreaterThan(5);
    for (const change of changes) expect(change.length).toBeLessThan(OFFSETS_CHANGE_BYTES + 8192);
    expect(replay(changes).size).toBe(100);
  });

  it('refuses what is out of bounds with the reason', () => {
    const offsets = new NamedOffsets();
    expect(() => offsets.commit('', at(1))).toThrow('Cannot commit an offset: the group name is empty');
    expect(() => offsets.commit('g', at(-2))).toThrow('Cannot commit an offset for group "g": the offset is -2');
    expect(() => offsets.commit('g', at(0.5))).toThrow('the offset is 0.5');
    expect(() => offsets.commit('g', at(1, 'x'.repeat(4097)))).toThrow(
      'Cannot commit an offset for group "g": its metadata has 4097 bytes, the limit is 4096',
    );
    expect(() => offsets.commit('é'.repeat(128), at(1))).toThrow('its name has 256 bytes, the limit is 255');
    for (let group = 0; group < GROUPS_PER_LOG_MAX; group++) offsets.commit(`group-${group}`, at(0));
    offsets.commit('group-0', at(3));
    expect(() => offsets.commit('one more', at(1))).toThrow(
      'Cannot commit an offset for group "one more": 10000 groups have committed offsets to this log',
    );
  });

  it('refuses truncated bytes at every length', () => {
    const offsets = new NamedOffsets();
    offsets.commit('readers', at(5, 'text'));
    const [change] = take(offsets);
    for (let length = 0; length < change!.length; length++) {
      expect(() => new NamedOffsets().apply(change!.subarray(0, length))).toThrow();
    }
  });
});
