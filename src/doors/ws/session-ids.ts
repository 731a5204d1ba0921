/** Ids of sessions: a secret, and the shard where the session is, so that every other shard knows that it is not there. */
import type { Random } from '../../io/ports.js';
import { SESSION_ID_BYTES } from './limits.js';

const SHARD_BYTES = 2;

/** A new id. */
export function newSessionId(random: Random, shard: number): Uint8Array {
  const id = new Uint8Array(SESSION_ID_BYTES + SHARD_BYTES);
  id.set(random.bytes(SESSION_ID_BYTES));
  id[SESSION_ID_BYTES] = shard >>> 8;
  id[SESSION_ID_BYTES + 1] = shard & 0xff;
  return id;
}

/** The shard of the session with this id; undefined for what is no id. */
export function shardOfSession(id: Uint8Array): number | undefined {
  if (id.length !== SESSION_ID_BYTES + SHARD_BYTES) return undefined;
  return (id[SESSION_ID_BYTES]! << 8) | id[SESSION_ID_BYTES + 1]!;
}
