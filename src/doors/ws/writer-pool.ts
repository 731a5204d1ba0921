import { ByteWriter } from '../../base/bytes.js';
import { POOLED_WRITER_BYTES, POOLED_WRITERS } from './limits.js';

/** Outgoing buffers of a shard: a session has one only while a turn fills it, so that idle sessions cost none. */
export class WriterPool {
  private readonly spare: ByteWriter[] = [];

  /** A buffer with unknown content. */
  take(): ByteWriter {
    return this.spare.pop() ?? new ByteWriter();
  }

  /** Gives a buffer back. One that grew large, or one too many, is left to the garbage collector. */
  give(writer: ByteWriter): void {
    if (this.spare.length < POOLED_WRITERS && writer.bytes.length <= POOLED_WRITER_BYTES) this.spare.push(writer);
  }
}
