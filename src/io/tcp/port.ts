/**
 * The port of a plain TCP listener. Doors see only these types.
 *
 * - **Received bytes are borrowed** until `data()` returns, and then overwritten: all connections of a server are read into the same memory. Keep a copy,
 *   not the view.
 * - **Every write is a system call** as long as the peer keeps up: sessions gather what a turn of theirs has to say.
 * - **`close()` comes exactly once**, from within `destroy()` itself, or when the connection has ended. Nothing comes after it, and every method
 *   of a closed socket is a harmless no-op.
 */

/** Settings of one server. Times in milliseconds, sizes in bytes. */
export interface TcpServerOptions {
  /** Address or name. `127.0.0.1` and `localhost` listen on `::1` as well, where there is IPv6. */
  readonly host: string;
  /** 0 takes any free one, which `TcpServer.port` then tells. */
  readonly port: number;
  /** Allow several threads to accept on the same port. Run `probePort` once before, since this hides that another process has it. */
  readonly sharePort: boolean;
  /** Connections beyond this many are cut at once. */
  readonly maxConnections: number;
  /** `drain` tells of the end of a backlog that was larger than this. */
  readonly highWaterBytes: number;
  /** When the kernel begins to probe a silent peer; 0 = never. */
  readonly keepAliveMs: number;
}

/** One open connection. */
export interface TcpSocket {
  /** Numeric; IPv4 peers of an IPv6 listener show as IPv4. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly isOpen: boolean;
  /**
   * Writes. True: all of it has left, and the bytes may be reused. False: the kernel has not taken everything; the bytes are the socket's now and must never
   * change again. When more than the high-water mark waits, `drain()` will come.
   */
  write(bytes: Uint8Array): boolean;
  /** Bytes written that the kernel has not taken yet. */
  bufferedBytes(): number;
  /** Stops reading: the peer is pushed back by TCP. Bytes that are here already may still come. */
  pause(): void;
  resume(): void;
  /** Closes after everything written has left; the peer is cut off when it does not take that in time. */
  end(): void;
  /** Cuts the connection. */
  destroy(): void;
}

/** What a session does with its socket's events. */
export interface TcpSocketEvents {
  data(bytes: Uint8Array): void;
  /** What `write` answered false for has left. */
  drain(): void;
  /** The connection is gone. */
  close(): void;
}

/** A listening server. */
export interface TcpServer {
  readonly port: number;
  connections(): number;
  /** Frees the port for new connections; open ones go on. */
  stopAccepting(): void;
  /** Stops accepting and cuts every connection. Repeated calls return the same promise. */
  close(): Promise<void>;
}
