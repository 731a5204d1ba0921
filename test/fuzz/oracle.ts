/** What a frame must be answered with, judged by the generated decoder rather than by the node's own. */

import protobuf from 'protobufjs/minimal.js';
import { readI32 } from '../../src/base/integers.js';
import { duolog } from '../../src/proto/client.js';
import { HEADER_BYTES, RECORDS_COUNT_AT } from '../../src/record/layout.js';
import { PROTECTED, requestKinds } from './valid-frames.js';
import { messagesOf, type WireField } from './wire-tree.js';

const { Frame } = duolog.client.v1;

/** What is to be expected. */
export interface Verdict {
  /** Whether the node may close the connection over it. */
  readonly mayClose: boolean;
  /** The id that must be answered, once; 0 when there is none to wait for. */
  readonly id: number;
  /** The answer may take very long: a long poll. */
  readonly isSlow: boolean;
  /** Not to be sent: a legitimate request for more than this machine should make, or one that would spoil the last count. */
  readonly isTooCostly: boolean;
  /** Where messages may come to be, and how many. */
  readonly to: string;
  readonly messages: number;
  /** The topic or queue that may come to be. */
  readonly declares: string;
}

const BAD: Verdict = { mayClose: true, id: 0, isSlow: false, isTooCostly: false, to: '', messages: 0, declares: '' };
const SLOW_WAIT_MS = 500;
const COSTLY_PARTITIONS = 4;
/** The longest frame that is no publish; beyond, the connection is closed. */
const MAX_CONTROL_BYTES = 256 * 1024;

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

const kinds = requestKinds.map(camel);

function publishedMessages(publish: duolog.client.v1.Publish.$Properties): number {
  const batch = publish.batch ?? new Uint8Array(0);
  const records = batch.length >= HEADER_BYTES ? Math.max(0, readI32(batch, RECORDS_COUNT_AT)) : 0;
  return (publish.messages?.length ?? 0) + records;
}

function judge(frame: duolog.client.v1.Frame.$Properties, bytes: number): Verdict {
  const present = kinds.filter((kind) => Object.hasOwn(frame, kind));
  const { fetch, declare, publish } = frame;
  const settings = declare?.topic ?? declare?.queue;
  const partitions = settings?.partitions ?? 0;
  const wait = fetch?.maxWaitMs ?? 0;
  const isMany = partitions > COSTLY_PARTITIONS && partitions <= 10_000;
  const isProtected = [frame.delete?.name, frame.purge?.name, settings?.name].some((name) => PROTECTED.has(name ?? ''));
  const isPublish = present.length === 1 && present[0] === 'publish';
  return {
    mayClose: present.length !== 1 || present[0] === 'hello' || (!isPublish && bytes > MAX_CONTROL_BYTES),
    id: frame.id ?? 0,
    isSlow: wait > SLOW_WAIT_MS,
    isTooCostly: isMany || isProtected,
    to: publish?.to ?? '',
    messages: publish ? publishedMessages(publish) : 0,
    declares: settings?.name ?? '',
  };
}

/** Fields on a frame's top level; more than so many end the connection. */
const MAX_TOP_LEVEL_FIELDS = 16;
const LAST_KIND = 57;

/** Whether there are two kinds in the frame, or very many fields: the generated decoder overlooks that. */
function isOverfull(bytes: Uint8Array): boolean {
  const reader = protobuf.Reader.create(bytes);
  let fields = 0;
  let kinds = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 > 1 && tag >>> 3 <= LAST_KIND) kinds++;
    if (++fields > MAX_TOP_LEVEL_FIELDS) return true;
    reader.skipType(tag & 7);
  }
  return kinds > 1;
}

/** Judges a binary frame. */
export function judgeBinary(bytes: Uint8Array): Verdict {
  try {
    const verdict = judge(Frame.decode(bytes), bytes.length);
    return isOverfull(bytes) ? { ...verdict, mayClose: true } : verdict;
  } catch {
    return BAD;
  }
}

/** The largest number that a 32-bit field can hold; a 64-bit one can hold more, but is not told from it here. */
const MAX_UINT32 = 0xffff_ffffn;

/** Judges a binary frame of which the tree is known: the generated decoder overlooks numbers that are too large. */
export function judgeTree(frame: WireField[], bytes: Uint8Array): Verdict {
  const verdict = judgeBinary(bytes);
  const isOverflow = [...messagesOf(frame)].flat().some(({ value }) => typeof value === 'bigint' && value > MAX_UINT32);
  return isOverflow ? { ...verdict, mayClose: true } : verdict;
}

/** Judges a text frame: what the generated code cannot make a frame of may be closed over. */
export function judgeText(text: string, isChanged: boolean): Verdict {
  try {
    const verdict = judge(Frame.fromObject(JSON.parse(text)), text.length);
    // Reading is stricter than the generated code, so whatever was changed may end the connection.
    return isChanged ? { ...verdict, mayClose: true } : verdict;
  } catch {
    return BAD;
  }
}
