import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type RoomUser, SharedRoom } from './shared-room.js';

class User implements RoomUser {
  taken = 0;
  readonly name: number;
  private readonly room: SharedRoom;

  constructor(room: SharedRoom, name: number) {
    this.room = room;
    this.name = name;
  }

  take(bytes: number): boolean {
    const isTaken = this.room.take(this, bytes);
    if (isTaken) this.taken += bytes;
    return isTaken;
  }

  giveUp(): void {
    this.room.give(this, this.taken);
    this.taken = 0;
  }
}

describe('the room that connections share', () => {
  it('has whoever has most of it go, and no one else', () => {
    const room = new SharedRoom(100);
    const [large, small, late] = [1, 2, 3].map((name) => new User(room, name)) as [User, User, User];
    expect([large.take(60), small.take(30), late.take(20)]).toEqual([true, true, true]);
    expect([large.taken, small.taken, late.taken]).toEqual([0, 30, 20]);
    expect(room.takenBytes).toBe(50);
  });

  it('refuses who would have most of it itself', () => {
    const room = new SharedRoom(100);
    const [one, other] = [1, 2].map((name) => new User(room, name)) as [User, User];
    one.take(40);
    expect(other.take(70)).toBe(false);
    expect([one.taken, room.takenBytes]).toEqual([40, 40]);
  });

  it('does not trust a user to give back', () => {
    const room = new SharedRoom(100);
    room.take({ giveUp: () => {} }, 90);
    expect(new User(room, 1).take(50)).toBe(true);
    expect(room.takenBytes).toBe(50);
  });

  it('never holds more than it may, and counts what its users count', () => {
    const step = fc.record({ user: fc.nat(4), bytes: fc.integer({ min: 0, max: 60 }), gives: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const room = new SharedRoom(100);
        const users = [0, 1, 2, 3, 4].map((name) => new User(room, name));
        for (const { user, bytes, gives } of steps) {
          const one = users[user]!;
          if (gives) one.giveUp();
          else one.take(bytes);
          expect(room.takenBytes).toBe(users.reduce((sum, { taken }) => sum + taken, 0));
          expect(room.takenBytes).toBeLessThanOrEqual(100);
        }
      }),
    );
  });
});
