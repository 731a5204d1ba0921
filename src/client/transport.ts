/** What a connection tells its owner. `closed` comes exactly once, also for a connection that could not be made; nothing follows it. */
export interface TransportEvents {
  /** The connection is made. */
  opened(): void;
  /** A binary message came; its bytes are the owner's. */
  message(bytes: Uint8Array): void;
  /** The connection is over, or was never made. `code` is a WebSocket close code. */
  closed(code: number, reason: string): void;
}

/** One connection to a node: messages in both directions, in order. */
export interface Transport {
  /** Sends one binary message. The bytes must not change afterwards. Ignored once the connection is over. */
  send(bytes: Uint8Array): void;
  /** Closes in good order. */
  close(code: number, reason: string): void;
  /** Ends the connection without waiting for the peer, which may be gone. */
  terminate(): void;
}

/** Begins to make a connection. Rejects only when nothing could be begun. */
export type OpenTransport = (url: string, events: TransportEvents) => Promise<Transport>;
