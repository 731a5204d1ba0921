// The native protocol on a WireConnection: requests and answers by the generated code, what comes often by functions that are set here.
import { built } from './built.mjs';
import { FieldCursor, KIND } from './hot-frames.mjs';
import { makeFrame, WireConnection } from './wire-connection.mjs';

const { encodeFrame, decodeFrame } = await built('proto/client-wire.js');

/** A frame in bytes, masked, ready to be written. */
export const frameOf = (frame) => makeFrame(encodeFrame(frame)).frame;
/** A frame's bytes without the WebSocket around them. */
export { encodeFrame };

/** One session with a node. */
export class WireSession {
  /** By kind of frame: `(bytes, from, to, id)` with the content of the kind. What has no function here is decoded. */
  hot = new Map();
  /** What the node said in its Welcome. */
  limits;
  #connection;
  #cursor = new FieldCursor();
  #waiting = new Map();
  #nextId = 1;
  #error;

  constructor(connection) {
    this.#connection = connection;
    connection.onMessage = (bytes, from, to) => this.#message(bytes, from, to);
    connection.onClose = (reason) => this.#closed(reason);
  }

  /** Connects and says hello. `onClose(reason)` replaces the default, which is to throw. */
  static async open(port, { onClose, ...options } = {}) {
    const session = new WireSession(await WireConnection.open(port, options));
    if (onClose !== undefined) session.onClose = onClose;
    session.limits = (await session.request({ hello: { version: 1, clientName: 'load test' } })).welcome.limits;
    return session;
  }

  onClose = (reason) => {
    throw new Error(`The session ended: ${reason}`);
  };

  get connection() {
    return this.#connection;
  }

  #closed(reason) {
    for (const { reject } of this.#waiting.values()) reject(new Error(`The session ended: ${reason}`));
    this.#waiting.clear();
    this.onClose(reason);
  }

  #message(bytes, from, to) {
    const cursor = this.#cursor.open(bytes, from, to);
    let id = 0;
    let kind = 0;
    while (cursor.next()) {
      if (cursor.field === 1) id = cursor.value;
      else {
        kind = cursor.field;
        break;
      }
    }
    const onKind = this.hot.get(kind);
    if (onKind !== undefined) onKind(bytes, cursor.from, cursor.to, id);
    else this.#answer(id, decodeFrame(Buffer.from(bytes.subarray(from, to))));
  }

  #answer(id, frame) {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      if (frame.error) throw new Error(`The node answered ${JSON.stringify(frame.error)}`);
      if (frame.subscriptionClosed) throw new Error(`Subscription closed: ${JSON.stringify(frame.subscriptionClosed)}`);
      return;
    }
    this.#waiting.delete(id);
    if (frame.error) waiting.reject(new Error(`The node answered ${frame.error.code}: ${frame.error.message}`));
    else waiting.resolve(frame);
  }

  /** Sends a request and waits for its answer. @throws Error with the node's words when it refuses. */
  request(frame) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#connection.write(frameOf({ id, ...frame }));
    });
  }

  /** Sends a frame that nobody answers. */
  send(frame) {
    this.#connection.write(frameOf(frame));
  }

  /** Declares a queue or topic. */
  declare(what) {
    return this.request({ declare: what });
  }

  async describe(name) {
    return (await this.request({ describe: { name } })).description;
  }

  destroy() {
    this.#connection.destroy();
  }
}

export { KIND };
