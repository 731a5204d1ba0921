/** The doors of one shard: the native protocol and HTTP on one listener. */
import type { Broker } from '../broker/ports.js';
import { httpHandler, type NodeProbe } from '../doors/http/index.js';
import {
  anonymousAuthorizer,
  NATIVE_PATH,
  NativeDoor,
  type NodeStatusAnswer,
  serverLimits,
  sessionLimits,
} from '../doors/ws/index.js';
import { realTimers } from '../io/clock/real-clock.js';
import { RealRandom } from '../io/random/real-random.js';
import { createWsServer } from '../io/ws/index.js';
import type { WsServer } from '../io/ws/port.js';
import type { NodeConfig } from './config.js';
import type { ControlRequests } from './control-requests.js';
import type { ShardSetup } from './shard-setup.js';

/** No HTTP request has a body that a node wants, so far. */
const MAX_HTTP_BODY_BYTES = 64 * 1024;

function limitsOf(config: NodeConfig): ReturnType<typeof sessionLimits> {
  return sessionLimits({ maxMessageBytes: config.maxMessageSize, idleTimeoutMs: config.idleTimeout * 1000 });
}

/** The native door of a shard. */
export function makeDoor(setup: ShardSetup, broker: Broker, control: ControlRequests): NativeDoor {
  const { config, nodeName, version } = setup;
  return new NativeDoor({
    broker,
    timers: realTimers,
    random: new RealRandom(),
    limits: limitsOf(config),
    node: { name: nodeName, id: config.nodeId, version },
    authorizer: anonymousAuthorizer({ allowRemote: config.allowAnonymous }),
    allowedOrigins: config.allowedOrigins,
    // The control thread answers a status request with a NodeStatusAnswer (node-status.ts).
    status: () => control.ask({ kind: 'status' }) as Promise<NodeStatusAnswer>,
  });
}

/** Starts to listen. `sharePort`: several shards accept on the port. */
export function openServer(
  setup: ShardSetup,
  port: number,
  sharePort: boolean,
  door: NativeDoor,
  probe: NodeProbe,
): Promise<WsServer> {
  const { config, engine } = setup;
  return createWsServer(engine, {
    host: config.host,
    port,
    reusePort: sharePort,
    ...serverLimits(limitsOf(config)),
    maxHttpBodyBytes: MAX_HTTP_BODY_BYTES,
    maxConnections: config.maxConnections,
    routes: new Map([[NATIVE_PATH, door.route]]),
    http: httpHandler(probe),
  });
}
