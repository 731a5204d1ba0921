/** Bytes of their own. Not `slice`: on a Buffer that is a view, which changes when the borrowed memory does. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}
