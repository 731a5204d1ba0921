import type { RefusalReport, TlsMaterial, TlsSession } from '../tls/port.js';

/**
 * The port of a TCP listener, in clear or over TLS. Doors see only these types.
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
  /** Every connection speaks TLS with these certificates. */
  readonly tls?: TlsMaterial | undefined;
  /** Hears of peers that speak TLS where there is none, or the other way round, or fail in it. */
  readonly report?: RefusalReport | undefined;
}

/** One open connection. */
export interface TcpSocket {
  /** Numeric; IPv4 peers of an IPv6 listener show as IPv4. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Absent on a connection in clear. */
  readonly tls?: TlsSession | undefined;
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
  /** New connections get these certificates; open ones go on. Only for a server with `tls`. @throws {TlsError} and nothing has changed. */
  replaceTls(material: TlsMaterial): void;
  /** Stops accepting and cuts every connection. Repeated calls return the same promise. */
  close(): Promise<void>;
}
