// How many bytes a node holds for connections that do not read: what it handed to its sockets, less what the kernel holds and the peer has read.
import { readFileSync } from 'node:fs';

/** Sum of a counter of the node's metrics over all its labels. */
export async function counterOf(port, name) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const values = text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'gm'));
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Bytes in the kernel's queues between `port` and each of `peers`: unsent or unacknowledged on one side, unread on the other (proc(5), net/tcp). */
export function kernelBytes(port, peers) {
  const wanted = new Set(peers);
  let bytes = 0;
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1)) {
    const [, local, remote, , queues] = line.trim().split(/\s+/);
    if (queues === undefined) continue;
    const [from, to] = [local, remote].map((address) => Number.parseInt(address.split(':')[1], 16));
    const [unsent, unread] = queues.split(':').map((text) => Number.parseInt(text, 16));
    if (from === port && wanted.has(to)) bytes += unsent;
    if (to === port && wanted.has(from)) bytes += unread;
  }
  return bytes;
}
