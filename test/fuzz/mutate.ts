/** From a valid frame to a bad one: by its tree, then by its bytes. */
import type { Prng } from '../../src/base/prng.js';
import { hostileBatch } from './hostile-batches.js';
import { encodeTree, lengthField, messagesOf, numberField, type WireField } from './wire-tree.js';

/** Numbers at the edges of every integer that anybody has ever used. */
const EDGES: readonly bigint[] = [
  0n,
  1n,
  127n,
  128n,
  249n,
  250n,
  255n,
  1023n,
  1025n,
  10_001n,
  65_535n,
  65_536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
];
/** Numbers that only some fields can hold; others end the connection. */
const FAR_EDGES: readonly bigint[] = [
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 69n,
];
const FAR_SHARE = 0.06;
/** Lengths that nothing has: up to 4 GiB and beyond what a length may be. */
const LENGTHS: readonly bigint[] = [
  2n ** 28n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 2n,
  2n ** 32n,
  2n ** 35n,
  2n ** 63n,
  2n ** 69n,
];
const UNKNOWN_FIELDS: readonly number[] = [7, 21, 39, 58, 63, 200, 19_999, 2 ** 28, 2 ** 29 - 1, 0];

const TEXTS: readonly ((prng: Prng) => Uint8Array)[] = [
  () => new Uint8Array(0),
  () => Uint8Array.of(0xff, 0xfe, 0x80),
  () => Uint8Array.of(0xed, 0xa0, 0x80),
  () => Uint8Array.of(0xc0, 0xaf),
  () => Uint8Array.of(0),
  () => Buffer.from('../../etc/passwd'),
  () => Buffer.from('__proto__'),
  () => Buffer.from('a/b\n"\\'),
  () => Buffer.from('duolog.m'),
  (prng) => Buffer.from('x'.repeat(prng.pick([249, 250, 255, 256, 1024, 1025, 5000]))),
  (prng) => prng.bytes(prng.below(64)),
];

function edge(prng: Prng): bigint {
  return prng.pick(prng.chance(FAR_SHARE) ? FAR_EDGES : EDGES);
}

type TreeMutation = (message: WireField[], prng: Prng) => void;

function pickWhere(message: WireField[], prng: Prng, test: (field: WireField) => boolean): WireField | undefined {
  const fitting = message.filter(test);
  return fitting.length === 0 ? undefined : prng.pick(fitting);
}

const edgeNumber: TreeMutation = (message, prng) => {
  const field = pickWhere(message, prng, ({ value }) => typeof value === 'bigint');
  if (field !== undefined) field.value = edge(prng);
};

const oddText: TreeMutation = (message, prng) => {
  const field = pickWhere(message, prng, ({ value }) => value instanceof Uint8Array);
  if (field !== undefined) field.value = prng.pick(TEXTS)(prng);
};

const wrongLength: TreeMutation = (message, prng) => {
  const field = pickWhere(message, prng, ({ wire }) => wire === 2);
  if (field === undefined) return;
  const { value } = field;
  const size = BigInt(value instanceof Uint8Array ? value.length : 8);
  field.length = prng.chance(0.5) ? prng.pick(LENGTHS) : size + BigInt(prng.between(-3, 3));
  if (field.length < 0n) field.length = 1n;
};

const wrongWire: TreeMutation = (message, prng) => {
  if (message.length === 0) return;
  const field = prng.pick(message);
  field.wire = prng.below(8);
  // Bytes under a wire type without a length would only be a longer frame of rubbish; a number says more.
  if (field.wire !== 2 && typeof field.value !== 'bigint') field.value = edge(prng);
  else if (field.wire === 2 && typeof field.value === 'bigint') field.value = prng.bytes(prng.below(8));
};

const unknownField: TreeMutation = (message, prng) => {
  const number = prng.pick(UNKNOWN_FIELDS);
  message.push(prng.chance(0.5) ? numberField(number, edge(prng)) : lengthField(number, prng.bytes(prng.below(40))));
};

const repeatField: TreeMutation = (message, prng) => {
  if (message.length === 0) return;
  const field = prng.pick(message);
  const count = prng.chance(0.9) ? prng.between(1, 4) : prng.between(100, 3000);
  for (let left = count; left > 0; left--) message.push({ ...field });
};

const dropField: TreeMutation = (message, prng) => {
  if (message.length > 0) message.splice(prng.below(message.length), 1);
};

const nest: TreeMutation = (message, prng) => {
  const field = pickWhere(message, prng, ({ wire }) => wire === 2);
  if (field === undefined) return;
  const inner = Array.isArray(field.value) ? field.value : [];
  // The message within itself: under the number of one of its own fields, as often as a careless decoder can bear.
  let bytes = encodeTree(inner);
  const number = prng.pick([1, 2, 3, 4]);
  for (let depth = prng.pick([2, 20, 200]); depth > 0; depth--) bytes = encodeTree([lengthField(number, bytes)]);
  field.value = bytes;
};

const badBatch: TreeMutation = (message, prng) => {
  const batch = pickWhere(
    message,
    prng,
    ({ number, value }) => number === 4 && value instanceof Uint8Array && value.length >= 61,
  );
  if (batch !== undefined) batch.value = hostileBatch(prng);
};

const otherMessage: TreeMutation = (message, prng) => {
  const field = pickWhere(message, prng, ({ value }) => Array.isArray(value));
  if (field !== undefined) field.number = prng.between(1, 60);
};

const treeMutations: readonly TreeMutation[] = [
  edgeNumber,
  edgeNumber,
  edgeNumber,
  edgeNumber,
  oddText,
  oddText,
  oddText,
  repeatField,
  dropField,
  dropField,
  badBatch,
  badBatch,
  unknownField,
];
/** These mostly leave bytes that are no protobuf, so that the connection is closed. */
const breakingMutations: readonly TreeMutation[] = [wrongLength, wrongLength, wrongWire, nest, otherMessage];

/** Changes a frame in one to three places, so that its bytes still are a frame. */
export function mutateFields(frame: WireField[], prng: Prng): Uint8Array {
  const messages = [...messagesOf(frame)];
  for (let left = prng.between(1, 3); left > 0; left--) {
    // The frame itself has little to change but its id; its kind's message is the second.
    const message =
      messages.length > 1 && prng.chance(0.95) ? messages[prng.between(1, messages.length - 1)]! : messages[0]!;
    prng.pick(treeMutations)(message, prng);
  }
  return encodeTree(frame);
}

/** Breaks a frame's structure. */
export function breakFields(frame: WireField[], prng: Prng): Uint8Array {
  prng.pick(breakingMutations)(prng.pick([...messagesOf(frame)]), prng);
  return encodeTree(frame);
}

/** Changes bytes: flips, cuts, inserts, repeats. */
export function mutateBytes(bytes: Uint8Array, prng: Prng): Uint8Array {
  let changed = Buffer.from(bytes);
  for (let left = prng.between(1, 3); left > 0; left--) {
    const at = prng.below(changed.length + 1);
    const which = prng.below(5);
    if (which === 0) changed = changed.subarray(0, at);
    else if (which === 1 && at < changed.length) changed[at] = prng.below(256);
    else if (which === 2 && at < changed.length) changed[at] = changed[at]! ^ (1 << prng.below(8));
    else if (which === 3)
      changed = Buffer.concat([changed.subarray(0, at), prng.bytes(prng.between(1, 9)), changed.subarray(at)]);
    else changed = Buffer.concat([changed.subarray(0, at), changed.subarray(Math.max(0, at - 20))]);
  }
  return changed;
}
