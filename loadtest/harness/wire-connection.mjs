// A WebSocket client that costs as little as one can, so that a benchmark measures the node and not its load: frames to send are made and
// masked once and sent many times, received bytes are looked at where they lie. Messages that rarely come take the generated code.
import { once } from 'node:events';
import { connect } from 'node:net';

/** The masking key of every frame that is sent; a real key, so that the node unmasks as it does for anybody. */
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
const READ_BYTES = 1024 * 1024;
const OPCODE_TEXT = 1;
const OPCODE_BINARY = 2;
const OPCODE_CLOSE = 8;
const OPCODE_PING = 9;

/** XORs `bytes[at, at + length)` with the masking key; `phase` is the distance of `at` from the start of the payload. */
export function mask(bytes, at, length, phase = 0) {
  for (let index = 0; index < length; index++) bytes[at + index] ^= MASK[(phase + index) & 3];
}

/** One masked WebSocket frame around `payload`, and the position at which the payload begins. */
export function makeFrame(payload, opcode = OPCODE_BINARY) {
  const { length } = payload;
  const sizeBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.allocUnsafe(2 + sizeBytes + 4 + length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (sizeBytes === 0 ? length : sizeBytes === 2 ? 126 : 127);
  if (sizeBytes === 2) frame.writeUInt16BE(length, 2);
  if (sizeBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  const at = 2 + sizeBytes + 4;
  MASK.copy(frame, at - 4);
  frame.set(payload, at);
  mask(frame, at, length);
  return { frame, at };
}

const handshake = (path) =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

/** Finds whole frames in a stream of bytes; bytes of a frame that has not come whole are kept. */
class FrameScanner {
  #kept = Buffer.allocUnsafe(READ_BYTES);
  #keptBytes = 0;
  #onFrame;

  constructor(onFrame) {
    this.#onFrame = onFrame;
  }

  take(bytes, length) {
    let at = 0;
    if (this.#keptBytes > 0) {
      at = this.#complete(bytes, length);
      if (at < 0) return;
    }
    const end = this.#scan(bytes, at, length);
    this.#keep(bytes, end, length);
  }

  /** Completes the frame whose beginning is kept. Returns where the next one begins in `bytes`, or -1 when even this one is not whole. */
  #complete(bytes, length) {
    let taken = 0;
    for (;;) {
      const known = frameBytes(this.#kept, 0, this.#keptBytes);
      const missing = known < 0 ? 1 : known - this.#keptBytes;
      if (missing <= 0) break;
      const piece = Math.min(missing, length - taken);
      if (piece === 0) return -1;
      this.#keep(bytes, taken, taken + piece);
      taken += piece;
    }
    const whole = this.#keptBytes;
    this.#keptBytes = 0;
    this.#scan(this.#kept, 0, whole);
    return taken;
  }

  #scan(bytes, from, end) {
    let at = from;
    for (;;) {
      const whole = frameBytes(bytes, at, end);
      if (whole < 0 || at + whole > end) return at;
      const size = bytes[at + 1];
      const payloadAt = at + (size < 126 ? 2 : size === 126 ? 4 : 10);
      this.#onFrame(bytes[at] & 15, bytes, payloadAt, at + whole);
      at += whole;
    }
  }

  #keep(bytes, from, to) {
    const needed = this.#keptBytes + to - from;
    if (needed > this.#kept.length) {
      const larger = Buffer.allocUnsafe(2 * needed);
      this.#kept.copy(larger, 0, 0, this.#keptBytes);
      this.#kept = larger;
    }
    bytes.copy(this.#kept, this.#keptBytes, from, to);
    this.#keptBytes = needed;
  }
}

/** Length of the unmasked frame at `at`, or -1 when its own length is not there yet. */
function frameBytes(bytes, at, end) {
  if (end - at < 2) return -1;
  const size = bytes[at + 1];
  if (size < 126) return 2 + size;
  if (size === 126) return end - at < 4 ? -1 : 4 + bytes.readUInt16BE(at + 2);
  return end - at < 10 ? -1 : 10 + bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
}

/** An open WebSocket. `onMessage(bytes, from, to)` is called with borrowed bytes; `onClose(reason)` at the end. */
export class WireConnection {
  onMessage = () => {};
  onClose = (reason) => {
    throw new Error(`The connection was closed: ${reason}`);
  };
  bytesReceived = 0;
  #socket;
  #isGreeted = false;
  #greeted;
  #greet;
  #closeReason;

  /** `readBytes`: size of the reads; small where there are many connections. */
  constructor(port, path, readBytes) {
    this.#greeted = new Promise((resolve) => {
      this.#greet = resolve;
    });
    const scanner = new FrameScanner((opcode, bytes, from, to) => this.#frame(opcode, bytes, from, to));
    const onread = {
      buffer: Buffer.allocUnsafe(readBytes),
      callback: (length, bytes) => {
        this.bytesReceived += length;
        if (this.#isGreeted) scanner.take(bytes, length);
        else this.#readGreeting(bytes, length, scanner);
        return true;
      },
    };
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
    this.#socket.on('error', (error) => {
      this.#closeReason ??= error.message;
    });
    this.#socket.on('close', () => this.onClose(this.#closeReason ?? 'without a close frame'));
    this.#socket.write(handshake(path));
  }

  /** Connects and shakes hands. */
  static async open(port, { path = '/ws', readBytes = READ_BYTES } = {}) {
    const connection = new WireConnection(port, path, readBytes);
    const failed = once(connection.#socket, 'close').then(() => Promise.reject(new Error(`Cannot connect to ${path}`)));
    await Promise.race([connection.#greeted, failed]);
    failed.catch(() => {});
    return connection;
  }

  #readGreeting(bytes, length, scanner) {
    // The answer to the handshake is short and comes in one piece over the loopback interface.
    const end = bytes.subarray(0, length).indexOf('\r\n\r\n');
    if (!bytes.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101')) || end < 0) {
      this.#closeReason = `no WebSocket: ${bytes.toString('latin1', 0, Math.min(length, 80))}`;
      this.#socket.destroy();
      return;
    }
    this.#isGreeted = true;
    this.#greet();
    if (end + 4 < length) scanner.take(Buffer.from(bytes.subarray(end + 4, length)), length - end - 4);
  }

  #frame(opcode, bytes, from, to) {
    if (opcode === OPCODE_BINARY || opcode === OPCODE_TEXT) this.onMessage(bytes, from, to);
    else if (opcode === OPCODE_PING) this.#socket.write(makeFrame(bytes.subarray(from, to), 10).frame);
    else if (opcode === OPCODE_CLOSE) {
      const code = to - from >= 2 ? bytes.readUInt16BE(from) : 0;
      this.#closeReason = `${code} ${bytes.toString('utf8', from + 2, to)}`;
      this.#socket.end();
    }
  }

  /** Writes bytes of frames made by `makeFrame`; they must not change until they have left. Returns false when they are queued. */
  write(frame, whenGone) {
    return this.#socket.write(frame, whenGone);
  }

  /** Writes several frames with one system call. */
  writeAll(frames) {
    this.#socket.cork();
    for (const frame of frames) this.#socket.write(frame);
    this.#socket.uncork();
  }

  /** Bytes that wait for the kernel. */
  get queuedBytes() {
    return this.#socket.writableLength;
  }

  /** Calls `then` when no bytes wait any more. */
  whenDrained(then) {
    this.#socket.once('drain', then);
  }

  /** This side's port: it names the connection to the kernel. */
  get localPort() {
    return this.#socket.localPort;
  }

  pause() {
    this.#socket.pause();
  }

  resume() {
    this.#socket.resume();
  }

  /** Ends the connection without a word. */
  destroy() {
    this.onClose = () => {};
    this.#socket.destroy();
  }
}
