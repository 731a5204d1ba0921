/** Frames of both forms to commands, and answers to frames. What comes often outwards is written by frame-writer.ts instead. */
import { ByteReader } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { DEFAULT_VHOST } from '../../broker/model.js';
import { messages } from '../../proto/client-wire.js';
import type { Command } from './commands.js';
import { type Envelope, newEnvelope, type RequestKind, readEnvelope, requestKinds } from './envelope.js';
import { ProtocolError } from './errors.js';
import { decodePublish, decodeSettle, NameMemory } from './hot-frames.js';
import { MAX_CONTROL_FRAME_BYTES, type RequestScope, type SessionLimits } from './limits.js';
import { readRequest, requestOf } from './requests.js';
import { decodePublishRouted } from './routed-frames.js';
import { parseTextFrame } from './text-form.js';
import type { WireAnswer, WireFrame, WireKind } from './wire-types.js';

/** How a session speaks: protobuf in binary messages, or its JSON form in text messages. */
export type Form = 'binary' | 'text';

type Decoders = { readonly [Kind in RequestKind]: { decode(bytes: Uint8Array): WireKind<Kind> } };

const decoders: Decoders = {
  hello: messages.Hello,
  publish: messages.Publish,
  subscribe: messages.Subscribe,
  unsubscribe: messages.Unsubscribe,
  credit: messages.Credit,
  settle: messages.Settle,
  seek: messages.Seek,
  fetch: messages.Fetch,
  listOffsets: messages.ListOffsets,
  commitOffsets: messages.CommitOffsets,
  fetchOffsets: messages.FetchOffsets,
  initProducer: messages.InitProducer,
  declare: messages.Declare,
  describe: messages.Describe,
  list: messages.List,
  delete: messages.Delete,
  purge: messages.Purge,
  ping: messages.Ping,
  status: messages.Status,
  publishRouted: messages.PublishRouted,
  declareExchange: messages.DeclareExchange,
  deleteExchange: messages.DeleteExchange,
  bind: messages.Bind,
  unbind: messages.Unbind,
  listExchanges: messages.ListExchanges,
  listBindings: messages.ListBindings,
  get: messages.Get,
  explainRoute: messages.ExplainRoute,
  listUnacked: messages.ListUnacked,
  countDelayed: messages.CountDelayed,
  cancelDelayed: messages.CancelDelayed,
  transact: messages.Transact,
  renewToken: messages.RenewToken,
};

/** Reads incoming frames, first `open`, then `command`: what is asked can be wrong where the frame itself is not. */
export class FrameReader {
  private limits: RequestScope;
  private readonly reader = new ByteReader(new Uint8Array(0));
  private readonly envelope: Envelope = newEnvelope();
  private readonly names = new NameMemory();
  private text: WireFrame | undefined;

  constructor(limits: SessionLimits) {
    this.limits = { ...limits, vhost: DEFAULT_VHOST };
  }

  /** The virtual host of requests that name none, from now on. */
  set vhost(vhost: string) {
    this.limits = { ...this.limits, vhost };
  }

  /** The id of the frame that was opened last. */
  get id(): number {
    return this.envelope.id;
  }

  /** Its kind; undefined when this node does not know it, or there is none. */
  get kind(): RequestKind | undefined {
    return this.envelope.kind;
  }

  /**
   * Looks at the outside of a frame. `bytes` must stay as they are until `command` has returned.
   * @throws DecodeError on bytes that are no frame.
   * @throws ProtocolError `protocol` or `tooBig`.
   */
  open(bytes: Uint8Array, isText: boolean): void {
    this.envelope.id = 0;
    this.envelope.kind = undefined;
    if (bytes.length > this.limits.maxFrameBytes) throw tooBig('A frame', bytes.length, this.limits.maxFrameBytes);
    if (isText) {
      this.openText(bytes);
      return;
    }
    this.text = undefined;
    readEnvelope(this.reader.reset(bytes), this.envelope);
    const { kind } = this.envelope;
    if (kind !== 'publish' && kind !== 'publishRouted' && bytes.length > MAX_CONTROL_FRAME_BYTES) {
      throw tooBig(`A frame of kind ${kind ?? 'unknown'}`, bytes.length, MAX_CONTROL_FRAME_BYTES);
    }
  }

  private openText(bytes: Uint8Array): void {
    this.text = parseTextFrame(bytes);
    this.envelope.id = this.text.id ?? 0;
    for (const kind of Object.keys(requestKinds) as RequestKind[]) {
      if (this.text[kind]) this.envelope.kind = kind;
    }
  }

  /**
   * What the frame asks.
   * @throws DecodeError when the kind's message cannot be decoded.
   * @throws BrokerError when the request breaks a rule.
   */
  command(kind: RequestKind): Command {
    if (this.text !== undefined) return requestOf(this.text, kind, this.limits);
    const { reader, envelope } = this;
    reader.at = envelope.start;
    reader.end = reader.bytes.length;
    if (kind === 'publish') return decodePublish(reader, envelope.end, this.names, this.limits);
    if (kind === 'publishRouted') return decodePublishRouted(reader, envelope.end, this.limits);
    if (kind === 'settle') return decodeSettle(reader, envelope.end);
    return readRequest(kind, this.decodeControl(kind), this.limits);
  }

  private decodeControl<Kind extends RequestKind>(kind: Kind): WireKind<Kind> {
    try {
      return decoders[kind].decode(this.reader.bytes.subarray(this.envelope.start, this.envelope.end));
    } catch (cause) {
      // The generated code throws plain errors, and RangeError at the end of the bytes; it runs no other code that could throw.
      throw new DecodeError('invalid', cause instanceof Error ? cause.message : 'malformed', cause);
    }
  }
}

function tooBig(what: string, size: number, limit: number): ProtocolError {
  return new ProtocolError('tooBig', `${what} has ${size} bytes: the limit is ${limit}`);
}

/** The frame that answers request `id`. */
export function answerFrame(id: number, answer: WireAnswer): WireFrame {
  return id === 0 ? answer : { id, ...answer };
}
