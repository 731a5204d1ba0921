import { serveThread, type ThreadEntry } from '../io/threads.js';
import type { FromShard, ToShard } from './control-messages.js';
import { runShard } from './shard.js';
import type { ShardSetup } from './shard-setup.js';

/** The program of a shard's thread. */
export const shardEntry: ThreadEntry<ShardSetup, ToShard, FromShard> = { url: new URL(import.meta.url), run: runShard };

serveThread(import.meta.url, runShard);
