import { lookup } from 'node:dns/promises';
import { listenError } from './bind.js';
import { ListenError } from './errors.js';
import { LISTEN_BACKLOG } from './limits.js';

/** Linux on x64 and arm64, `asm-generic/socket.h` and `bits/socket.h`. */
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const EADDRINUSE = 98;

const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

/** Whether `net.Server.listen` knows `reusePort` (from 22.12 and 23.1). */
export function hasNodeReusePort(version: string = process.versions.node): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: Buffer, sizeBytes: number): number;
  bind(fd: number, address: Buffer, sizeBytes: number): number;
  listen(fd: number, backlog: number): number;
  close(fd: number): number;
  inet_pton(family: number, text: string, target: Buffer): number;
  errno(): number;
}

/**
 * A listening socket with SO_REUSEPORT, made with libc's own calls for Node versions whose `listen` cannot; to be given to
 * `server.listen({fd})`, which then owns it. Linux only.
 * @throws {ListenError} `reuse-port-unsupported`, `address-in-use` or `address-unavailable`.
 */
export async function listenShared(host: string, port: number): Promise<number> {
  const libc = await loadLibc();
  const { address, family } = await resolve(host, port);
  const domain = family === 6 ? AF_INET6 : AF_INET;
  const fd = libc.socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError(host, port, 'socket', libc.errno());
  const one = Buffer.from(Uint32Array.of(1).buffer);
  const sockaddr = socketAddress(libc, domain, address, port);
  const failed =
    (libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, one.length) < 0 && 'setsockopt SO_REUSEADDR') ||
    (libc.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, one, one.length) < 0 && 'setsockopt SO_REUSEPORT') ||
    (libc.bind(fd, sockaddr, sockaddr.length) < 0 && 'bind') ||
    (libc.listen(fd, LISTEN_BACKLOG) < 0 && 'listen');
  if (failed === false) return fd;
  const errno = libc.errno();
  libc.close(fd);
  throw systemError(host, port, failed, errno);
}

/** Loads libc; cheap when repeated. Rejects with `reuse-port-unsupported` where it cannot be called. */
export async function loadLibc(): Promise<Libc> {
  const { platform, arch } = process;
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) throw unsupported(`${platform} on ${arch}`);
  try {
    const { default: koffi } = await import('koffi');
    const library = koffi.load(null);
    return {
      socket: library.func('int socket(int domain, int type, int protocol)'),
      setsockopt: library.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t size)'),
      bind: library.func('int bind(int fd, const void *address, uint32_t size)'),
      listen: library.func('int listen(int fd, int backlog)'),
      close: library.func('int close(int fd)'),
      inet_pton: library.func('int inet_pton(int family, const char *text, void *target)'),
      errno: () => koffi.errno(),
    } as Libc;
  } catch (error) {
    throw unsupported('libc cannot be called', error);
  }
}

/**
 *   sockaddr_in    0 family  2 port (big endian)  4 address ×4          8 zero ×8
 *   sockaddr_in6   0 family  2 port (big endian)  4 flow label ×4       8 address ×16        24 scope ×4
 */
function socketAddress(libc: Libc, domain: number, address: string, port: number): Buffer {
  const bytes = Buffer.alloc(domain === AF_INET6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES);
  bytes.writeUInt16LE(domain, 0);
  bytes.writeUInt16BE(port, 2);
  const numeric = Buffer.alloc(16);
  libc.inet_pton(domain, address, numeric);
  if (domain === AF_INET6) numeric.copy(bytes, 8);
  else numeric.copy(bytes, 4, 0, 4);
  return bytes;
}

async function resolve(host: string, port: number): Promise<{ address: string; family: number }> {
  try {
    return await lookup(host);
  } catch (error) {
    throw listenError(host, port, error);
  }
}

function systemError(host: string, port: number, call: string, errno: number): ListenError {
  const code = errno === EADDRINUSE ? 'EADDRINUSE' : `${call} failed with errno ${errno}`;
  return listenError(host, port, Object.assign(new Error(code), { code }));
}

function unsupported(why: string, cause?: unknown): ListenError {
  return new ListenError('reuse-port-unsupported', `Cannot share a port among threads: ${why}`, cause);
}
