/** The outside of a binary frame: its id, and where its one kind lies. Looked at before anything is decoded, so that limits can go by kind. */
import type { ByteReader } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { ProtocolError } from './errors.js';
import { MAX_TOP_LEVEL_FIELDS } from './limits.js';
import { fieldEnd, skipField, WIRE_LENGTH, WIRE_VARINT, wireTag } from './wire.js';

/** Field numbers of Frame.kind that clients send; proto/client.proto. */
export const requestKinds = {
  hello: 2,
  publish: 3,
  subscribe: 4,
  unsubscribe: 5,
  credit: 6,
  settle: 7,
  seek: 8,
  fetch: 9,
  listOffsets: 10,
  commitOffsets: 11,
  fetchOffsets: 12,
  initProducer: 13,
  declare: 14,
  describe: 15,
  list: 16,
  delete: 17,
  purge: 18,
  ping: 19,
  status: 20,
  publishRouted: 21,
  declareExchange: 22,
  deleteExchange: 23,
  bind: 24,
  unbind: 25,
  listExchanges: 26,
  listBindings: 27,
  get: 28,
  explainRoute: 29,
  listUnacked: 30,
  countDelayed: 31,
  cancelDelayed: 32,
  transact: 33,
  renewToken: 34,
} as const;

/** The name of a request, as the protobuf JSON form spells it. */
export type RequestKind = keyof typeof requestKinds;

const kindsByNumber = new Map<number, RequestKind>();
for (const [kind, number] of Object.entries(requestKinds)) kindsByNumber.set(number, kind as RequestKind);

/** Field numbers from here to `LAST_KIND` are what nodes send. */
const FIRST_ANSWER_KIND = 40;
/** The highest number that this version of the protocol gives to a kind. */
const LAST_ANSWER_KIND = 66;
const ID_TAG = wireTag(1, WIRE_VARINT);

/** What `readEnvelope` fills in; one object serves a shard's whole life. */
export interface Envelope {
  id: number;
  /** Undefined when the frame has a kind that this node does not know, or none. */
  kind: RequestKind | undefined;
  /** Where the kind's message begins. */
  start: number;
  /** Position after it. */
  end: number;
}

/** An envelope to fill. */
export function newEnvelope(): Envelope {
  return { id: 0, kind: undefined, start: 0, end: 0 };
}

/**
 * Reads the envelope of the frame that `reader` holds.
 * @throws DecodeError on bytes that are no protobuf.
 * @throws ProtocolError `protocol` when the frame has two kinds or one that only nodes send.
 */
export function readEnvelope(reader: ByteReader, envelope: Envelope): void {
  envelope.id = 0;
  envelope.kind = undefined;
  for (let fields = 0; reader.remaining > 0; fields++) {
    if (fields === MAX_TOP_LEVEL_FIELDS) throw new DecodeError('invalid', 'the frame has too many fields');
    const tag = reader.uvarint();
    if (tag === ID_TAG) envelope.id = reader.uvarint();
    else if ((tag & 7) === WIRE_LENGTH && tag >>> 3 !== 0) readKind(reader, tag >>> 3, envelope);
    else skipField(reader, tag);
  }
}

function readKind(reader: ByteReader, number: number, envelope: Envelope): void {
  const kind = kindsByNumber.get(number);
  const end = fieldEnd(reader);
  if (kind !== undefined) {
    if (envelope.kind !== undefined) {
      throw new ProtocolError('protocol', `A frame holds both ${envelope.kind} and ${kind}`);
    }
    envelope.kind = kind;
    envelope.start = reader.at;
    envelope.end = end;
  } else if (number >= FIRST_ANSWER_KIND && number <= LAST_ANSWER_KIND) {
    throw new ProtocolError('protocol', `Kind ${number} is one that only nodes send`);
  }
  reader.at = end;
}
