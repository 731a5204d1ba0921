/** A record header: a name, which need not be unique in a record, and a value or null. */
export type RecordHeader = readonly [name: string, value: Uint8Array | null];

/** One record of a log. Its byte arrays may be views of a batch: copy what must outlive it. */
export interface LogRecord {
  /** Position in the partition log. */
  readonly offset: number;
  /** Milliseconds since 1970, or -1 where the producer set none. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** The headers of a record that has none. */
export const NO_HEADERS: readonly RecordHeader[] = [];
