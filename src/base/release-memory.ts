/**
 * Gives back the memory behind a view at once, for large buffers that are read once: a node that has nothing to do collects no garbage, and keeps what
 * its start has left. Every view of that memory is empty afterwards.
 */
export function releaseMemory({ buffer }: ArrayBufferView<ArrayBuffer>): void {
  // Who is given memory owns it, and this receiver is forgotten on the spot. (`ArrayBuffer.transfer` does not exist in Node 20.)
  structuredClone(undefined, { transfer: [buffer] });
}
