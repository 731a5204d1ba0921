/**
 * The doors of one shard: the native protocol, AMQP over WebSocket and HTTP on one listener, or on two that are alike, AMQP over TCP on another, and over
 * TLS on one more.
 */
import type { AccessControl } from '../broker/access.js';
import type { Catalog } from '../broker/catalog.js';
import type { ShardBroker } from '../broker/shard-broker.js';
import { AMQP_PATH, AmqpDoor, amqpLimits, amqpRoute } from '../doors/amqp/index.js';
import { httpHandler, type NodeProbe } from '../doors/http/index.js';
import { isManagementPath } from '../doors/management/paths.js';
import { NATIVE_PATH, NativeDoor, type NodeStatusAnswer, serverLimits, sessionLimits } from '../doors/ws/index.js';
import { realClock, realTimers } from '../io/clock/real-clock.js';
import { RealRandom } from '../io/random/real-random.js';
import { createTcpServer, type TcpServer } from '../io/tcp/index.js';
import { certificateUser } from '../io/tls/peer.js';
import type { TlsMaterial, TlsSession } from '../io/tls/port.js';
import { RefusalLog } from '../io/tls/refusal-log.js';
import { createWsServer } from '../io/ws/index.js';
import type { HttpHandler, WsServer } from '../io/ws/port.js';
import type { NodeConfig } from './config.js';
import type { DoorName } from './control-messages.js';
import type { ControlRequests } from './control-requests.js';
import { managementHandler } from './management/door.js';
import type { ShardSetup } from './shard-setup.js';
import { certificateLoginRule } from './tls-settings.js';

/** Backlog of a TCP connection from which on its session writes no more of its own accord. */
const TCP_HIGH_WATER_BYTES = 256 * 1024;
/** When the kernel begins to probe a silent TCP peer: heartbeats find it sooner, where the client wants them. */
const TCP_KEEP_ALIVE_MS = 60_000;
/** How long AMQP clients get to answer the node's farewell before they are cut. */
const FAREWELL_MS = 1_000;

/** See the top of this file. */
export class ShardDoors {
  readonly native: NativeDoor;
  readonly amqp: AmqpDoor;
  private readonly setup: ShardSetup;
  private readonly plain: HttpHandler;
  private readonly management: HttpHandler;
  private readonly log: (level: 'warn' | 'error', message: string) => void;
  private readonly refusals: RefusalLog;
  /** The user that a verified certificate of the peer stands for. */
  private readonly userOf: (tls: TlsSession | undefined) => string | undefined;
  private readonly http: WsServer[] = [];
  private readonly tcp: TcpServer[] = [];
  /** Those of the listeners above that speak TLS. */
  private readonly secure: (WsServer | TcpServer)[] = [];
  private material: TlsMaterial | undefined;

  constructor(
    setup: ShardSetup,
    broker: ShardBroker,
    catalog: Catalog,
    access: AccessControl,
    control: ControlRequests,
    probe: NodeProbe,
    log: (level: 'warn' | 'error', message: string) => void,
  ) {
    this.setup = setup;
    this.plain = httpHandler(probe);
    this.log = log;
    this.refusals = new RefusalLog(
      (line) => log('warn', line),
      () => realClock.monotonicMs(),
    );
    this.material = setup.tls;
    const { config, nodeName, version } = setup;
    const shared = { broker, timers: realTimers, random: new RealRandom() };
    const rule = certificateLoginRule(config);
    this.userOf = (tls) => (tls?.certificate === undefined ? undefined : certificateUser(tls.certificate, rule));
    this.management = managementHandler({
      broker,
      catalog,
      control,
      access,
      node: { name: nodeName, version },
      timers: realTimers,
      settings: { allowedOrigins: config.allowedOrigins, definitionsMaxBytes: config.maxDefinitionsSize },
    });
    this.native = new NativeDoor({
      nowMs: () => realClock.nowMs(),
      ...shared,
      transactions: broker.transactions,
      limits: limitsOf(config),
      node: { name: nodeName, id: config.nodeId, version },
      access,
      allowedOrigins: config.allowedOrigins,
      userOf: this.userOf,
      // The control thread answers a status request with a NodeStatusAnswer (node-status.ts).
      status: () => control.ask({ kind: 'status' }) as Promise<NodeStatusAnswer>,
    });
    this.amqp = new AmqpDoor({
      ...shared,
      clock: realClock,
      limits: amqpLimits({ maxMessageBytes: config.maxMessageSize }),
      node: { name: nodeName, version },
      access,
      atEndOfTurn: broker.atEndOfTurn,
      transactions: broker.transactions,
      replies: broker.replies,
    });
    broker.replies.receiver = (address, properties, body) => this.amqp.deliverReply(address, properties, body);
  }

  /** Connections on all doors. */
  connections(): number {
    return [...this.http, ...this.tcp].reduce((sum, server) => sum + server.connections(), 0);
  }

  /** Starts to listen; resolves with the port. `sharePort`: several shards accept on it. @throws ListenError, WsServerError */
  async open(door: DoorName, port: number, sharePort: boolean): Promise<number> {
    // With certificates every port but AMQP's old one speaks TLS.
    const tls = door === 'amqp' ? undefined : this.material;
    const server = await this.openServer(door, port, sharePort, tls);
    if (tls !== undefined) {
      this.secure.push(server);
      // Newer certificates may have come while it opened.
      if (this.material !== undefined && this.material !== tls) await this.replace(server, this.material);
    }
    return server.port;
  }

  /** New connections get these certificates. */
  replaceTls(material: TlsMaterial): void {
    this.material = material;
    for (const server of this.secure) void this.replace(server, material);
  }

  /** An alarm holds publishers back, or none does any more. */
  setBlocked(reason: string | undefined): void {
    this.amqp.setBlocked(reason);
  }

  /** Frees the ports and tells every client that the node goes. */
  goAway(reason: string): void {
    for (const server of [...this.http, ...this.tcp]) server.stopAccepting();
    this.native.goAway(reason);
  }

  /** Ends what is still connected, AMQP clients with a word of farewell, and gives the listeners up. */
  async close(reason: string): Promise<void> {
    this.amqp.goAway(reason);
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FAREWELL_MS);
    });
    await Promise.race([this.amqp.closed(), tooLate]);
    clearTimeout(timer);
    await Promise.all([...this.http, ...this.tcp].map((server) => server.close()));
  }

  private async openServer(
    door: DoorName,
    port: number,
    sharePort: boolean,
    tls: TlsMaterial | undefined,
  ): Promise<WsServer | TcpServer> {
    if (door === 'http' || door === 'management') {
      const server = await this.openHttp(port, sharePort, tls);
      this.http.push(server);
      return server;
    }
    const server = await this.openAmqp(port, sharePort, tls);
    this.tcp.push(server);
    return server;
  }

  private async replace(server: WsServer | TcpServer, material: TlsMaterial): Promise<void> {
    try {
      await server.replaceTls(material);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.log('error', `${reason}. Port ${server.port} keeps the certificates before`);
    }
  }

  private openHttp(port: number, sharePort: boolean, tls: TlsMaterial | undefined): Promise<WsServer> {
    const { config, engine } = this.setup;
    return createWsServer(engine, {
      host: config.host,
      port,
      reusePort: sharePort,
      ...serverLimits(limitsOf(config)),
      maxHttpBodyBytes: config.maxDefinitionsSize,
      maxConnections: config.maxConnections,
      tls,
      report: this.refusals.note,
      routes: new Map([
        [NATIVE_PATH, this.native.route],
        [AMQP_PATH, amqpRoute(this.amqp, config.allowedOrigins, this.userOf)],
      ]),
      http: (request, respond) =>
        isManagementPath(request.path) ? this.management(request, respond) : this.plain(request, respond),
    });
  }

  private openAmqp(port: number, sharePort: boolean, tls: TlsMaterial | undefined): Promise<TcpServer> {
    const { host, maxConnections } = this.setup.config;
    const options = {
      host,
      port,
      sharePort,
      maxConnections,
      highWaterBytes: TCP_HIGH_WATER_BYTES,
      keepAliveMs: TCP_KEEP_ALIVE_MS,
      tls,
      report: this.refusals.note,
    };
    return createTcpServer(options, (socket) => {
      const connection = this.amqp.open(socket, socket.remoteAddress, this.userOf(socket.tls));
      return {
        data: (bytes) => connection.receive(bytes),
        drain: () => connection.drained(),
        close: () => connection.socketClosed(),
      };
    });
  }
}

function limitsOf(config: NodeConfig): ReturnType<typeof sessionLimits> {
  return sessionLimits({
    maxMessageBytes: config.maxMessageSize,
    idleTimeoutMs: config.idleTimeout * 1000,
    maxResumeWindowMs: config.resumeWindow * 1000,
  });
}
