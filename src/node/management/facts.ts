import { availableParallelism } from 'node:os';
import type { ListenerFact } from '../../doors/management/index.js';
import { realClock } from '../../io/clock/real-clock.js';
import type { TlsMaterial } from '../../io/tls/port.js';
import { type AlarmWatch, realAlarmSources } from '../alarms.js';
import type { NodeConfig } from '../config.js';
import type { NodeFacts } from '../node-status.js';
import type { ManagementFacts } from './node-items.js';

/** Ports that are bound; undefined for closed doors. */
export interface BoundPorts {
  readonly port: number | undefined;
  readonly managementPort: number | undefined;
  readonly amqpPort: number | undefined;
  readonly amqpsPort: number | undefined;
}

/** What the node knows of itself, for operators. */
export async function managementFacts(
  facts: NodeFacts,
  config: NodeConfig,
  ports: BoundPorts,
  alarms: AlarmWatch,
  tls: TlsMaterial | undefined,
): Promise<ManagementFacts> {
  return {
    nodeName: facts.nodeName,
    version: facts.version,
    startedMs: facts.startedMs,
    nowMs: realClock.nowMs(),
    host: config.advertisedHost ?? config.host,
    dataPath: config.data,
    listeners: listenersOf(config.host, ports, tls !== undefined),
    alarms: facts.alarms,
    certificates: (tls?.certificates ?? []).map(({ certFile, notAfterMs }) => ({
      file: certFile,
      expiresMs: notAfterMs,
    })),
    memoryLimit: Math.round(alarms.memoryLimit),
    diskFreeLimit: config.diskFreeLimit,
    freeDiskBytes: await realAlarmSources(config.data).freeDiskBytes(),
    maxConnections: config.maxConnections,
    processors: availableParallelism(),
  };
}

function listenersOf(address: string, ports: BoundPorts, isTls: boolean): ListenerFact[] {
  const http = isTls ? 'https' : 'http';
  const wanted: readonly (readonly [string, number | undefined, boolean])[] = [
    ['amqp', ports.amqpPort, false],
    ['amqp/ssl', ports.amqpsPort, true],
    [http, ports.port, isTls],
    [http, ports.managementPort, isTls],
  ];
  return wanted.flatMap(([protocol, port, secure]) =>
    port === undefined ? [] : [{ protocol, address, port, isTls: secure }],
  );
}
