// How often a second this disk makes a small write durable: the most group commits that one shard can do.
import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'hdr-histogram-js';
import { MIB } from '../harness/measures.mjs';

const RECYCLED_BYTES = 16 * MIB;

function openPrepared(file) {
  const descriptor = openSync(file, 'w+');
  const zeros = Buffer.alloc(MIB);
  for (let at = 0; at < RECYCLED_BYTES; at += MIB) writeSync(descriptor, zeros, 0, MIB, at);
  fdatasyncSync(descriptor);
  return descriptor;
}

const sync = (descriptor) =>
  new Promise((resolve, reject) => {
    fdatasync(descriptor, (error) => (error === null ? resolve() : reject(error)));
  });

/** Commits one write after the other for `seconds`. `isRecycled`: into space that the file has already, as a journal does, not at its end. */
async function commitFor(descriptor, seconds, bytes, isRecycled, isThreaded) {
  const record = Buffer.alloc(bytes, 'x');
  const histogram = build({ useWebAssembly: false });
  const startedMs = performance.now();
  let commits = 0;
  let at = isRecycled ? 0 : RECYCLED_BYTES;
  for (let nowMs = startedMs; nowMs - startedMs < seconds * 1000; commits++) {
    writeSync(descriptor, record, 0, bytes, at);
    at += bytes;
    if (isRecycled && at + bytes > RECYCLED_BYTES) at = 0;
    if (isThreaded) await sync(descriptor);
    else fdatasyncSync(descriptor);
    const laterMs = performance.now();
    histogram.recordValue(Math.round((laterMs - nowMs) * 1000));
    nowMs = laterMs;
  }
  const elapsed = (performance.now() - startedMs) / 1000;
  return {
    commitsPerSecond: commits / elapsed,
    p50Ms: histogram.getValueAtPercentile(50) / 1000,
    p99Ms: histogram.getValueAtPercentile(99) / 1000,
  };
}

/** Runs of `seconds` each after a short one to warm up. */
export async function measureGroupCommit(folder, { runs, seconds = 1, bytes = 100, isRecycled, isThreaded }) {
  const descriptor = openPrepared(join(folder, 'committed'));
  await commitFor(descriptor, 0.3, bytes, isRecycled, isThreaded);
  const results = [];
  for (let run = 0; run < runs; run++)
    results.push(await commitFor(descriptor, seconds, bytes, isRecycled, isThreaded));
  closeSync(descriptor);
  return results;
}
