import { type AddressInfo, createServer } from 'node:net';
import { ListenError } from './errors.js';

/**
 * Makes sure that nobody listens on a port. Listeners that share ports among threads would quietly share them with another process too, so
 * this runs once, alone, before they listen. It binds exclusively, and lets go again before it resolves.
 * @returns the port; with port 0 one that is free now.
 * @throws {ListenError} `address-in-use` or `address-unavailable`, naming host and port.
 */
export async function probePort(host: string, port: number): Promise<number> {
  const server = createServer();
  return new Promise<number>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(host, port, error)));
    server.listen({ host, port, exclusive: true }, () => {
      const bound = (server.address() as AddressInfo).port;
      server.close(() => resolve(bound));
    });
  });
}

/** The typed error for a failed bind or listen. */
export function listenError(host: string, port: number, cause: unknown): ListenError {
  const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  if (errno === 'EADDRINUSE') {
    const message = `Cannot listen on ${host} port ${port}: another process is listening there`;
    return new ListenError('address-in-use', message, cause);
  }
  return new ListenError('address-unavailable', `Cannot listen on ${host} port ${port}: ${errno}`, cause);
}
