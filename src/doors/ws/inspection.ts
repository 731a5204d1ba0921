import type { TlsSession } from '../../io/tls/port.js';

/** What operators are told of an open session. Plain values: they are cloned between threads. Times in milliseconds since 1970, sizes in bytes. */
export interface NativeSessionFacts {
  /** Its name within the node. */
  readonly id: string;
  readonly user: string;
  readonly vhost: string;
  readonly remoteAddress: string;
  readonly tls: TlsSession | undefined;
  readonly connectedMs: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly pendingBytes: number;
  readonly subscriptions: number;
}

/** What only the session itself knows of that. */
export type SessionDescription = Pick<NativeSessionFacts, 'id' | 'user' | 'vhost' | 'subscriptions'>;
