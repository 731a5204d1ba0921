import { serveThread, type ThreadEntry, type ThreadPort } from '../io/threads.js';
import type { FromShard, ToShard } from './control-messages.js';
import type { ShardSetup } from './shard-setup.js';

/** Loads the shard's code only on the thread that runs it: storage, broker and doors would cost the control thread 14 MB. */
async function run(setup: ShardSetup, port: ThreadPort<ToShard, FromShard>): Promise<void> {
  const { runShard } = await import('./shard.js');
  await runShard(setup, port);
}

/** The program of a shard's thread. */
export const shardEntry: ThreadEntry<ShardSetup, ToShard, FromShard> = { url: new URL(import.meta.url), run };

serveThread(import.meta.url, run);
