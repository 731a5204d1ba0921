/** Frames of many megabytes: what a decoder must refuse, or bear, without making objects for it. */
import type { Prng } from '../../src/base/prng.js';
import type { Attack, SessionScript } from './attacks.js';
import { bomb } from './hostile-batches.js';
import type { Verdict } from './oracle.js';
import { TOPIC } from './valid-frames.js';
import { encodeTree, lengthField, numberField } from './wire-tree.js';

const MIB = 1024 * 1024;

function verdict(id: number, mayClose: boolean, messages = 0): Verdict {
  return { mayClose, id, isSlow: false, isTooCostly: false, to: messages === 0 ? '' : TOPIC, messages, declares: '' };
}

/** `pattern` again and again, `bytes` in all, rounded down to whole ones. */
function repeated(pattern: Uint8Array, bytes: number): Uint8Array {
  const whole = new Uint8Array(Math.floor(bytes / pattern.length) * pattern.length);
  whole.set(pattern);
  for (let filled = pattern.length; filled < whole.length; filled *= 2)
    whole.copyWithin(filled, 0, Math.min(filled, whole.length - filled));
  return whole;
}

/** A publish whose fields are `pattern`, millions of times. */
function publishOf(pattern: Uint8Array): Uint8Array {
  const fields = Buffer.concat([encodeTree([lengthField(1, TOPIC)]), repeated(pattern, 16 * MIB - 1024)]);
  return encodeTree([numberField(1, 1), lengthField(3, fields)]);
}

function publishBatch(batch: Uint8Array): Uint8Array {
  return encodeTree([
    numberField(1, 1),
    lengthField(3, [lengthField(1, TOPIC), numberField(2, 0), lengthField(4, batch)]),
  ]);
}

const makers: readonly ((prng: Prng) => Attack)[] = [
  // Millions of empty messages, of empty headers, of unknown fields, of the same name.
  () => ({ name: 'empty messages', bytes: publishOf(Uint8Array.of(0x1a, 0)), verdict: verdict(1, false) }),
  () => ({
    name: 'empty headers',
    bytes: publishOf(Uint8Array.of(0x1a, 4, 0x1a, 0, 0x1a, 0)),
    verdict: verdict(1, false),
  }),
  () => ({ name: 'empty headers', bytes: publishOf(lots()), verdict: verdict(1, false) }),
  () => ({ name: 'unknown fields', bytes: publishOf(Uint8Array.of(0x78, 0)), verdict: verdict(1, false) }),
  () => ({ name: 'empty names', bytes: publishOf(Uint8Array.of(0x0a, 0)), verdict: verdict(1, false) }),
  // A message of the largest size, and one that is a little larger.
  () => ({ name: 'largest message', bytes: publishMessage(16 * MIB), verdict: verdict(1, false, 1) }),
  () => ({ name: 'message too large', bytes: publishMessage(16 * MIB + 1), verdict: verdict(1, false) }),
  // Other kinds may not be so long; frames beyond all limits.
  () => ({
    name: 'long settle',
    bytes: encodeTree([numberField(1, 1), lengthField(7, repeated(Uint8Array.of(0x1a, 0), 4 * MIB))]),
    verdict: verdict(0, true),
  }),
  () => ({
    name: 'longest settle',
    bytes: encodeTree([numberField(1, 1), lengthField(7, repeated(Uint8Array.of(0x1a, 0), 250_000))]),
    verdict: verdict(1, false),
  }),
  () => ({ name: 'frame too large', bytes: new Uint8Array(17 * MIB), verdict: verdict(0, true) }),
  () => ({ name: 'frame far too large', bytes: new Uint8Array(40 * MIB), verdict: verdict(0, true) }),
  () => ({ name: 'top level fields', bytes: repeated(Uint8Array.of(0x78, 1), 16 * MIB), verdict: verdict(0, true) }),
  // Few bytes that unfold to very many.
  () => ({ name: 'bomb', bytes: publishBatch(bomb(300 * MIB)), verdict: verdict(1, false) }),
  () => ({ name: 'bomb', bytes: publishBatch(bomb(32 * MIB)), verdict: verdict(1, false) }),
  () => ({ name: 'noise as a batch', bytes: publishBatch(new Uint8Array(8 * MIB)), verdict: verdict(1, false) }),
  // The same in JSON.
  () => ({ name: 'long text', bytes: '['.repeat(16 * MIB), verdict: verdict(0, true) }),
  () => ({
    name: 'long text',
    bytes: `{"id":1,"publish":{"to":"${'x'.repeat(15 * MIB)}"}}`,
    verdict: verdict(1, true),
  }),
  () => ({
    name: 'long text',
    bytes: `{"id":1,"publish":{"to":"t","messages":[${'{},'.repeat(5 * MIB)}{}]}}`,
    verdict: verdict(0, true),
  }),
  () => ({
    name: 'long text',
    bytes: `{"id":1,"publish":{"to":"t","messages":[${'{},'.repeat(90_000)}{}]}}`,
    verdict: verdict(1, true),
  }),
  () => ({
    name: 'text numbers',
    bytes: `{"id":1,"fetch":{"maxBytes":${'9'.repeat(15 * MIB)}}}`,
    verdict: verdict(0, true),
  }),
];

function lots(): Uint8Array {
  return encodeTree([lengthField(3, repeated(Uint8Array.of(0x1a, 0), 4096))]);
}

function publishMessage(valueBytes: number): Uint8Array {
  const message = lengthField(3, [lengthField(2, new Uint8Array(valueBytes))]);
  return encodeTree([numberField(1, 1), lengthField(3, [lengthField(1, TOPIC), numberField(2, 0), message])]);
}

/** Makers by number, so that a run can have each at least once. */
export const HUGE_KINDS: number = makers.length;

/** A job of one huge frame, the `turn`-th. */
export function hugeScript(turn: number, prng: Prng): SessionScript {
  return { form: 'binary', greets: true, isBurst: false, attacks: [makers[turn % makers.length]!(prng)] };
}
