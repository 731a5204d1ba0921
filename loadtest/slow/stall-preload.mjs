// Loaded into a node under test by `node --import`, in its main thread and in every shard. SIGUSR2 makes the first shard stand still for
// a while, as if the system did not run its thread.
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';

const STALLED_THREAD = 1;
const STALL_MS = Number(process.env.STALL_MS ?? 2000);
const channel = new BroadcastChannel('stall');
channel.unref();

if (isMainThread) process.on('SIGUSR2', () => channel.postMessage(STALL_MS));
else if (threadId === STALLED_THREAD) {
  channel.onmessage = ({ data }) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, data);
  };
}
