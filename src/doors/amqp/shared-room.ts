/** Keeps bytes that peers have sent and that nothing can be done with yet. */
export interface RoomUser {
  /** Others need the room: ends, and gives back everything by `SharedRoom.give`, at once. */
  giveUp(): void;
}

/**
 * What all connections of a shard together may make the node keep: bodies that are not finished, and what came over WebSockets while they should not be
 * read. Each connection has a limit of its own, but peers may have as many connections as they like. When the room is full, whoever has most of it goes.
 */
export class SharedRoom {
  private readonly maxBytes: number;
  private readonly users = new Map<RoomUser, number>();
  private total = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Bytes that are kept. */
  get takenBytes(): number {
    return this.total;
  }

  /** Takes `bytes` more for `user`. Returns false, and takes nothing, when it is this user that has to go. */
  take(user: RoomUser, bytes: number): boolean {
    while (this.total + bytes > this.maxBytes) {
      const largest = this.largest(user, bytes);
      if (largest === user) return false;
      largest.giveUp();
      // Whoever has not done as told must not be asked for ever.
      this.give(largest, this.users.get(largest) ?? 0);
    }
    this.total += bytes;
    this.users.set(user, (this.users.get(user) ?? 0) + bytes);
    return true;
  }

  /** Gives back at most what the user has. */
  give(user: RoomUser, bytes: number): void {
    const had = this.users.get(user) ?? 0;
    const left = Math.max(0, had - bytes);
    this.total -= had - left;
    if (left === 0) this.users.delete(user);
    else this.users.set(user, left);
  }

  private largest(asking: RoomUser, bytes: number): RoomUser {
    let largest = asking;
    let most = (this.users.get(asking) ?? 0) + bytes;
    for (const [user, taken] of this.users) {
      if (user === asking || taken <= most) continue;
      largest = user;
      most = taken;
    }
    return largest;
  }
}
