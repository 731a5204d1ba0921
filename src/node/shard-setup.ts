import type { MessagePort } from 'node:worker_threads';
import type { MeshLayout } from '../io/ring/index.js';
import type { TlsMaterial } from '../io/tls/port.js';
import type { TokenKey } from '../io/tokens/port.js';
import type { WsEngine } from '../io/ws/port.js';
import type { NodeConfig } from './config.js';

/** What a shard is started with. */
export interface ShardSetup {
  readonly shard: number;
  /** At least 1. */
  readonly shards: number;
  readonly config: NodeConfig;
  readonly nodeName: string;
  readonly version: string;
  readonly engine: WsEngine;
  /** The certificates at the start of the node; later ones come by message. */
  readonly tls: TlsMaterial | undefined;
  /** What tokens are checked with at the start of the node, where tokens are logins; later keys come by message. */
  readonly tokenKeys: readonly TokenKey[];
  readonly dataPath: string;
  readonly journalId: number;
  /** Journals of earlier starts, to be replayed. */
  readonly oldJournalIds: readonly number[];
  readonly layout: MeshLayout;
  /** By other shard; undefined when this is the only shard. */
  readonly doorbells: readonly (MessagePort | null)[] | undefined;
  /** Connections and channels by name, over all shards (src/io/ring/shared-counts.ts). */
  readonly counts: SharedArrayBuffer;
  /** The catalog's snapshot. */
  readonly catalog: Uint8Array;
}
