// A lean AMQP 0-9-1 client for load: frames are made by hand and answers only counted, so that the node is what is measured.
import { once } from 'node:events';
import { connect } from 'node:net';

const METHOD = 1;
const HEADER_BYTES = 7;
const FRAME_END = 0xce;
const EMPTY = Buffer.alloc(0);
const NO_TABLE = Buffer.alloc(4);

/** Methods by class × 65,536 + method. */
const ID = {
  startOk: 0x000a000b,
  tuneOk: 0x000a001f,
  open: 0x000a0028,
  connectionClose: 0x000a0032,
  channelOpen: 0x0014000a,
  channelClose: 0x00140028,
  exchangeDeclare: 0x0028000a,
  queueDeclare: 0x0032000a,
  queueBind: 0x00320014,
  queuePurge: 0x0032001e,
  qos: 0x003c000a,
  consume: 0x003c0014,
  publish: 0x003c0028,
  deliver: 0x003c003c,
  return: 0x003c0032,
  ack: 0x003c0050,
  nack: 0x003c0078,
  confirmSelect: 0x0055000a,
};

const u8 = (value) => Buffer.from([value]);
function u16(value) {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
const short = (text) => Buffer.concat([u8(Buffer.byteLength(text)), Buffer.from(text)]);
const long = (bytes) => Buffer.concat([u32(bytes.length), bytes]);

function frame(type, channel, payload) {
  return Buffer.concat([u8(type), u16(channel), u32(payload.length), payload, u8(FRAME_END)]);
}
const method = (channel, id, ...fields) => frame(METHOD, channel, Buffer.concat([u32(id), ...fields]));

/** A table of texts and whole numbers. */
export function tableOf(fields) {
  const parts = Object.entries(fields).map(([name, value]) =>
    typeof value === 'string'
      ? Buffer.concat([short(name), Buffer.from('S'), long(Buffer.from(value))])
      : Buffer.concat([short(name), Buffer.from('I'), u32(value)]),
  );
  return long(Buffer.concat(parts));
}

/** Frames that declare. */
export const queueDeclare = (channel, name, { durable = true, passive = false, table = NO_TABLE } = {}) =>
  method(channel, ID.queueDeclare, u16(0), short(name), u8((passive ? 1 : 0) | (durable ? 2 : 0)), table);
export const exchangeDeclare = (channel, name, type, table = NO_TABLE) =>
  method(channel, ID.exchangeDeclare, u16(0), short(name), short(type), u8(2), table);
export const queueBind = (channel, queue, exchange, key, table = NO_TABLE) =>
  method(channel, ID.queueBind, u16(0), short(queue), short(exchange), short(key), u8(0), table);
export const queuePurge = (channel, queue) => method(channel, ID.queuePurge, u16(0), short(queue), u8(0));

/** Property flags and list of a message; a header table is given encoded. */
export function properties({ headers, persistent = false, priority }) {
  let flags = 0x1000;
  const parts = [];
  if (headers !== undefined) {
    flags |= 0x2000;
    parts.push(headers);
  }
  parts.push(u8(persistent ? 2 : 1));
  if (priority !== undefined) {
    flags |= 0x0800;
    parts.push(u8(priority));
  }
  return Buffer.concat([u16(flags), ...parts]);
}

/** basic.publish with its content, in one piece of bytes. */
export function publishBytes(channel, exchange, key, propertyBytes, body) {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(body.length));
  const header = frame(2, channel, Buffer.concat([u16(60), u16(0), size, propertyBytes]));
  const publish = method(channel, ID.publish, u16(0), short(exchange), short(key), u8(0));
  return Buffer.concat([publish, header, ...(body.length > 0 ? [frame(3, channel, body)] : [])]);
}

/** One connection. Answers come in order of their channel, and are handed to who waits there. */
export class AmqpLoad {
  /** Deliveries so far. */
  delivered = 0;
  /** Publishes so far that were confirmed, by ack or by nack. */
  confirmed = 0;
  nacked = 0;
  #socket;
  #pending = EMPTY;
  #waiters = new Map();
  #look = () => {};
  #acknowledge = false;
  #isOver = false;

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isOver = true;
      this.#look();
      const error = new Error('The connection has ended');
      for (const queue of this.#waiters.values()) for (const { reject } of queue) reject(error);
    });
  }

  /** Connects, logs in, and opens `channels` channels. */
  static async open(port, channels = 1) {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    const load = new AmqpLoad(socket);
    const startOk = method(
      0,
      ID.startOk,
      NO_TABLE,
      short('PLAIN'),
      long(Buffer.from('\0guest\0guest')),
      short('en_US'),
    );
    await load.call(0, Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'));
    await load.call(0, startOk);
    socket.write(method(0, ID.tuneOk, u16(2047), u32(131_072), u16(0)));
    await load.call(0, method(0, ID.open, short('/'), short(''), u8(0)));
    const opened = [];
    for (let channel = 1; channel <= channels; channel++)
      opened.push(load.call(channel, method(channel, ID.channelOpen, short(''))));
    await Promise.all(opened);
    return load;
  }

  /** Sends a frame that is answered on `channel`; resolves with the answer's payload. */
  call(channel, bytes) {
    const answer = new Promise((resolve, reject) => {
      const queue = this.#waiters.get(channel) ?? [];
      this.#waiters.set(channel, queue);
      queue.push({ resolve, reject });
    });
    this.#socket.write(bytes);
    return answer;
  }

  confirmSelect(channel) {
    return this.call(channel, method(channel, ID.confirmSelect, u8(0)));
  }

  /** Consumes and acknowledges everything, `prefetch` at a time. */
  async consume(channel, queue, prefetch) {
    this.#acknowledge = true;
    await this.call(channel, method(channel, ID.qos, u32(0), u16(prefetch), u8(0)));
    await this.call(channel, method(channel, ID.consume, u16(0), short(queue), short('load'), u8(0), NO_TABLE));
  }

  /** Publishes `count` messages, each made by `make(index)`, with at most `window` unconfirmed. The channel must be in confirm mode. */
  async publish(count, make, window = 4000) {
    const first = this.confirmed;
    const group = 200;
    for (let sent = 0; sent < count; ) {
      const parts = [];
      for (const end = Math.min(count, sent + group); sent < end; sent++) parts.push(make(sent));
      const isFull = !this.#socket.write(Buffer.concat(parts));
      if (isFull) await once(this.#socket, 'drain');
      await this.until(() => sent - (this.confirmed - first) <= window);
    }
    await this.until(() => this.confirmed - first >= count);
  }

  /** Waits until `holds` does; looked at whenever something has come. */
  until(holds) {
    if (holds()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#look = () => {
        if (holds()) resolve();
        else if (this.#isOver) reject(new Error('The connection has ended'));
        else return;
        this.#look = () => {};
      };
    });
  }

  destroy() {
    this.#socket.destroy();
  }

  #receive(bytes) {
    const all = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    let at = 0;
    while (all.length - at > HEADER_BYTES) {
      const end = at + HEADER_BYTES + all.readUInt32BE(at + 3);
      if (end >= all.length) break;
      if (all[at] === METHOD) this.#method(all.readUInt16BE(at + 1), all.subarray(at + HEADER_BYTES, end));
      at = end + 1;
    }
    this.#pending = at === all.length ? EMPTY : all.subarray(at);
    this.#look();
  }

  #tag = 0;

  #method(channel, payload) {
    const id = payload.readUInt32BE(0);
    if (id === ID.ack || id === ID.nack) this.#confirm(payload, id === ID.nack);
    else if (id === ID.deliver) this.#deliver(channel, payload);
    else if (id === ID.channelClose || id === ID.connectionClose)
      throw new Error(`Closed: ${payload.subarray(7, 7 + payload[6])}`);
    else if (id !== ID.return) this.#waiters.get(channel)?.shift()?.resolve(payload);
  }

  #confirm(payload, isNack) {
    const tag = Number(payload.readBigUInt64BE(4));
    // With single confirms out of order the count is right all the same, for `multiple` then covers those in between.
    const isMultiple = (payload[12] & 1) !== 0;
    const fresh = isMultiple ? tag - this.#tag : 1;
    if (isMultiple) this.#tag = tag;
    this.confirmed += Math.max(0, isMultiple ? fresh - this.#singles(tag) : 1);
    if (!isMultiple) this.#single.add(tag);
    if (isNack) this.nacked += fresh;
  }

  #single = new Set();

  /** Single confirms up to `tag`, which a confirm with `multiple` covers again. */
  #singles(tag) {
    let count = 0;
    for (const one of this.#single) {
      if (one > tag) continue;
      this.#single.delete(one);
      count++;
    }
    return count;
  }

  #deliver(channel, payload) {
    this.delivered++;
    if (!this.#acknowledge || this.delivered % 100 !== 0) return;
    const tag = payload.readBigUInt64BE(5 + payload[4]);
    const tagBytes = Buffer.alloc(8);
    tagBytes.writeBigUInt64BE(tag);
    this.#socket.write(method(channel, ID.ack, tagBytes, u8(1)));
  }
}
