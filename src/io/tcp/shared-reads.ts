/**
 * Reads all connections of a thread into one piece of memory. By default Node takes a fresh 64 KiB for each read and leaves them to the garbage collector, and
 * passes what came through a stream's buffer: with messages of some bytes that was a third of what receiving one cost.
 */
import { Socket } from 'node:net';
import { READ_BYTES } from './limits.js';

/** What Node has beneath a socket. It is the documented `fd` for those that Node opened itself, and has been there in every version. */
interface Handled {
  _handle: object | null;
}

let memory: Buffer | undefined;

/**
 * Makes of a socket that has just been accepted, and reads nothing yet, one that calls `received` with what it reads, in memory that the next read of
 * any connection overwrites. Where the handle is not to be had, the socket reads as Node's do.
 */
export function intoSharedMemory(accepted: Socket, received: (bytes: Uint8Array) => void): Socket {
  const handle = takeHandle(accepted);
  if (handle === null) return asItComes(accepted, received);
  memory ??= Buffer.allocUnsafeSlow(READ_BYTES);
  const { buffer, byteOffset } = memory;
  const onread = {
    buffer: memory,
    callback: (length: number): boolean => {
      // Views of a plain array cost much less than those of a Buffer, and sessions take one of each body.
      received(new Uint8Array(buffer, byteOffset, length));
      return true;
    },
  };
  // The type definitions know `onread` of sockets that connect only.
  const options: object = { handle, allowHalfOpen: true, onread };
  return new Socket(options);
}

/** A socket that reads as Node's do, such as one that decrypts. */
export function asItComes(accepted: Socket, received: (bytes: Uint8Array) => void): Socket {
  accepted.on('data', (bytes: Buffer) => received(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)));
  return accepted;
}

/** The one that was accepted is an empty shell from now on. */
function takeHandle(accepted: Socket): object | null {
  // The types do not know what Node keeps to itself.
  const shell = accepted as unknown as Handled;
  const handle = shell._handle ?? null;
  if (handle === null) return null;
  shell._handle = null;
  accepted.destroy();
  return handle;
}
