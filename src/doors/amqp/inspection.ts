/** What operators are told of the connections of this door. Plain values: they are cloned between threads. */
import type { TlsSession } from '../../io/tls/port.js';
import { encodeTable, type FieldTable } from '../../record/amqp/field-table.js';
import type { AmqpSocket, Outbox } from './outbox.js';
import type { SessionFacts } from './scope.js';

/** How much is told: connections alone, or what is in them. */
export type InspectionDepth = 'connections' | 'channels' | 'consumers';

/** An open connection. Times in milliseconds since 1970, sizes in bytes. */
export interface AmqpConnectionFacts {
  /** Its name within the node. */
  readonly id: string;
  readonly user: string;
  readonly vhost: string;
  readonly mechanism: string;
  /** `blocked`: it publishes, and is not read because of an alarm. */
  readonly state: 'running' | 'blocked' | 'flow';
  readonly remoteAddress: string;
  /** Absent where the way in does not tell it. */
  readonly remotePort: number | undefined;
  readonly tls: TlsSession | undefined;
  readonly connectedMs: number;
  readonly channelMax: number;
  readonly frameMaxBytes: number;
  readonly heartbeatSeconds: number;
  /** The table of start-ok, without length. */
  readonly clientProperties: Uint8Array;
  readonly receivedBytes: number;
  readonly receivedReads: number;
  readonly sentBytes: number;
  readonly sentWrites: number;
  readonly pendingBytes: number;
  readonly channelCount: number;
  /** Empty unless they were asked for. */
  readonly channels: readonly AmqpChannelFacts[];
}

/** An open channel. */
export interface AmqpChannelFacts {
  readonly number: number;
  readonly isConfirming: boolean;
  readonly isTransactional: boolean;
  readonly consumerCount: number;
  readonly prefetch: number;
  readonly channelPrefetch: number;
  readonly unacknowledged: number;
  readonly unconfirmed: number;
  readonly uncommittedPublishes: number;
  readonly uncommittedSettles: number;
  readonly published: number;
  readonly confirmed: number;
  readonly delivered: number;
  /** Empty unless they were asked for. */
  readonly consumers: readonly AmqpConsumerFacts[];
}

/** An open consumer. */
export interface AmqpConsumerFacts {
  readonly tag: string;
  readonly queue: string;
  readonly isAcknowledging: boolean;
  readonly isExclusive: boolean;
  readonly prefetch: number;
  readonly priority: number;
}

/** Client properties beyond this are told in part: every connection keeps them as long as it lives. */
const CLIENT_PROPERTIES_MAX_BYTES = 4 * 1024;
const KEPT_PROPERTIES: readonly string[] = ['connection_name', 'product', 'version', 'platform'];

/** What one connection keeps to be able to tell. */
export class ConnectionRecord {
  connectedMs = 0;
  clientProperties: Uint8Array = new Uint8Array(0);
  receivedBytes = 0;
  receivedReads = 0;
  heartbeatSeconds = 0;

  /** Bytes have come. */
  received(bytes: number): void {
    this.receivedBytes += bytes;
    this.receivedReads++;
  }

  /** The client has said what it is. */
  introduced(properties: FieldTable): void {
    const all = encodeTable(properties);
    if (all.length <= CLIENT_PROPERTIES_MAX_BYTES) {
      this.clientProperties = all;
      return;
    }
    const kept = encodeTable(new Map([...properties].filter(([name]) => KEPT_PROPERTIES.includes(name))));
    if (kept.length <= CLIENT_PROPERTIES_MAX_BYTES) this.clientProperties = kept;
  }
}

/** The parts of an open connection. */
interface ConnectionParts {
  readonly tuned: {
    readonly client: { readonly mechanism: string };
    readonly channelMax: number;
    readonly frameMaxBytes: number;
  };
  readonly facts: SessionFacts;
  readonly record: ConnectionRecord;
  readonly outbox: Outbox;
  readonly socket: AmqpSocket;
  readonly channels: ReadonlyMap<number, { describe(withConsumers: boolean): AmqpChannelFacts }>;
  readonly remoteAddress: string;
  readonly state: AmqpConnectionFacts['state'];
}

/** What there is to tell of an open connection. */
export function describeConnection(parts: ConnectionParts, depth: InspectionDepth): AmqpConnectionFacts {
  const { tuned, facts, record, outbox, socket, channels, remoteAddress, state } = parts;
  const inside = depth === 'connections' ? [] : [...channels.values()];
  return {
    id: facts.connection,
    user: facts.access.principal.user,
    vhost: facts.vhost,
    mechanism: tuned.client.mechanism,
    state,
    remoteAddress,
    remotePort: socket.remotePort,
    tls: socket.tls,
    connectedMs: record.connectedMs,
    channelMax: tuned.channelMax,
    frameMaxBytes: tuned.frameMaxBytes,
    heartbeatSeconds: record.heartbeatSeconds,
    clientProperties: record.clientProperties,
    receivedBytes: record.receivedBytes,
    receivedReads: record.receivedReads,
    sentBytes: outbox.sentBytes,
    sentWrites: outbox.sentWrites,
    pendingBytes: socket.bufferedBytes(),
    channelCount: channels.size,
    channels: inside.map((channel) => channel.describe(depth === 'consumers')),
  };
}
