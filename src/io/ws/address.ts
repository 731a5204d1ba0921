const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/** The usual spelling of a numeric address as `node:net` gives it: IPv4 addresses mapped into IPv6 become IPv4. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return MAPPED_IPV4.exec(address)?.[1] ?? address;
}

/** Text of an address given as its 4 (IPv4) or 16 (IPv6) bytes; empty for any other length. Same spelling as `plainAddress`. */
export function addressFromBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  if (isMappedIpv4(bytes)) return bytes.subarray(12).join('.');
  const groups: string[] = [];
  for (let index = 0; index < 16; index += 2)
    groups.push((((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0)).toString(16));
  // A URL's host is in the shortest spelling of RFC 5952, which saves writing the longest-run-of-zeros rule again.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

function isMappedIpv4(bytes: Uint8Array): boolean {
  for (let index = 0; index < 10; index++) if (bytes[index] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}
