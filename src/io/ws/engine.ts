import type { TlsFiles } from '../tls/port.js';
import { WsServerError } from './errors.js';
import { checkOptions } from './options.js';
import type { WsEngine, WsServer, WsServerOptions } from './port.js';
import type { UwsModule } from './uws/server.js';

/** Which engine a node runs on, and the sentence about it to print at start. */
export interface EngineChoice {
  readonly engine: WsEngine;
  readonly reason: string;
}

/** What uWebSockets.js cannot do of what is asked of TLS, as a part of a sentence; undefined if it can. */
export function uwsTlsFault(tls: Pick<TlsFiles, 'certificates' | 'verify'>): string | undefined {
  // It verifies clients' certificates, but tells nobody whose they are, and cannot do without one.
  if (tls.verify !== 'none') return 'uWebSockets.js does not tell whose certificate a client has';
  // Each name would need all routes again, and it writes a line to standard output for each.
  if (tls.certificates.length > 1) return 'uWebSockets.js cannot serve all names alike with several certificates';
  return undefined;
}

/**
 * Chooses `uws` if it may and its binary loads here, otherwise `ws`: both do the same work, so a node starts in any case.
 * @param requested what the user asked for; undefined takes the best.
 * @param tls what is asked of TLS, if anything.
 */
export async function chooseEngine(requested?: WsEngine, tls?: TlsFiles): Promise<EngineChoice> {
  if (requested === 'ws') return { engine: 'ws', reason: 'HTTP and WebSocket run on the ws package, as asked for' };
  const fault = tls === undefined ? undefined : uwsTlsFault(tls);
  if (fault !== undefined) return { engine: 'ws', reason: `HTTP and WebSocket run on the ws package: ${fault}` };
  try {
    await loadUws();
    return { engine: 'uws', reason: 'HTTP and WebSocket run on uWebSockets.js' };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { engine: 'ws', reason: `HTTP and WebSocket run on the ws package. ${why}` };
  }
}

/**
 * Starts an HTTP and WebSocket server in the calling thread.
 * @throws {ListenError} and {WsServerError} with any code but those of bodies.
 */
export async function createWsServer(engine: WsEngine, options: WsServerOptions): Promise<WsServer> {
  checkOptions(options);
  // Each thread loads only the engine that it runs: the other one would cost it 10 MB for nothing.
  if (engine === 'uws') return (await import('./uws/server.js')).createUwsServer(await loadUws(), options);
  return (await import('./node/server.js')).createNodeServer(options);
}

/** Whether several threads can listen on one port with this engine here. Where not, one thread must accept for all. */
export async function canSharePort(engine: WsEngine): Promise<boolean> {
  if (engine === 'uws') return process.platform === 'linux';
  const { hasNodeReusePort, loadLibc } = await import('../listen/shared-listen.js');
  if (hasNodeReusePort()) return process.platform === 'linux';
  try {
    await loadLibc();
    return true;
  } catch {
    return false;
  }
}

async function loadUws(): Promise<UwsModule> {
  try {
    return (await import('uWebSockets.js')).default;
  } catch (error) {
    // The package's own message is a paragraph about supported systems; its last line with an error tells what really happened.
    const lines = error instanceof Error ? error.message.split('\n') : [String(error)];
    const cause = lines.findLast((line) => line.startsWith('Error: ')) ?? lines[0] ?? '';
    const message = `Cannot load uWebSockets.js on Node ${process.versions.node}: ${cause.replace(/^Error: /, '')}`;
    throw new WsServerError('engine-unavailable', message, error);
  }
}
