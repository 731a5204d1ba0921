/** A compression over whole buffers; the record area's codec registry takes any object of this shape. */
export interface ByteCodec {
  /** Returns `bytes` compressed. */
  compress(bytes: Uint8Array): Uint8Array;
  /**
   * Returns `bytes` decompressed, reserving no more than about `maxBytes` for the result.
   * @throws CompressionError `too-large` or `corrupt`.
   */
  decompress(bytes: Uint8Array, maxBytes: number): Uint8Array;
}
