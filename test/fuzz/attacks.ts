/** The frames of one job: all of them follow from the seed and the job's number. */
import type { Prng } from '../../src/base/prng.js';
import { FRAMES_PER_JOB } from './limits.js';
import { breakFields, mutateBytes, mutateFields } from './mutate.js';
import { judgeBinary, judgeText, judgeTree, type Verdict } from './oracle.js';
import { breakJson, changeJson, textOf } from './text-frames.js';
import { QUEUE, TOPIC, validFrame } from './valid-frames.js';
import { encodeTree, lengthField, numberField, type WireField } from './wire-tree.js';

/** One frame to send. */
export interface Attack {
  readonly name: string;
  readonly bytes: Uint8Array | string;
  readonly verdict: Verdict;
}

/** What one connection after the other sends. */
export interface SessionScript {
  readonly form: 'binary' | 'text';
  /** Without a Hello: then the first frame ends the connection. */
  readonly greets: boolean;
  /** All frames at once: only a frame that closes the connection may leave others without an answer. */
  readonly isBurst: boolean;
  readonly attacks: readonly Attack[];
}

function binary(name: string, bytes: Uint8Array): Attack {
  return { name, bytes, verdict: judgeBinary(bytes) };
}

function tree(name: string, frame: WireField[], change: (frame: WireField[]) => Uint8Array): Attack {
  const bytes = change(frame);
  return { name, bytes, verdict: judgeTree(frame, bytes) };
}

function text(name: string, written: string, isChanged: boolean): Attack {
  return { name, bytes: written, verdict: judgeText(written, isChanged) };
}

type Maker = (prng: Prng, id: number) => Attack;

const binaryMakers: readonly (readonly [weight: number, make: Maker])[] = [
  [20, (prng, id) => binary('valid', encodeTree(validFrame(prng, id)))],
  [66, (prng, id) => tree('fields changed', validFrame(prng, id), (frame) => mutateFields(frame, prng))],
  [3, (prng, id) => tree('structure broken', validFrame(prng, id), (frame) => breakFields(frame, prng))],
  [2, (prng, id) => binary('bytes changed', mutateBytes(encodeTree(validFrame(prng, id)), prng))],
  [1, (prng) => binary('random bytes', prng.bytes(prng.below(200)))],
  [1, (prng, id) => text('binary as text', Buffer.from(encodeTree(validFrame(prng, id))).toString('latin1'), true)],
  [
    2,
    (prng, id) =>
      binary('twice in one frame', Buffer.concat([encodeTree(validFrame(prng, id)), encodeTree(validFrame(prng, id))])),
  ],
  [5, (prng, id) => text('text in between', textOf(validFrame(prng, id)), false)],
];

const textMakers: readonly (readonly [weight: number, make: Maker])[] = [
  [60, (prng, id) => text('text valid', textOf(validFrame(prng, id)), false)],
  [8, (prng, id) => text('text changed', changeJson(textOf(validFrame(prng, id)), prng), true)],
  [4, (prng, id) => text('text broken', breakJson(textOf(validFrame(prng, id)), prng), true)],
  [1, (prng, id) => binary('text as binary', Buffer.from(textOf(validFrame(prng, id))))],
];

function draw(makers: typeof binaryMakers, prng: Prng, id: number): Attack {
  let at = prng.nextFloat() * makers.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, make] of makers) {
    at -= weight;
    if (at < 0) return make(prng, id);
  }
  return makers[0]![1](prng, id);
}

function mixture(prng: Prng, form: 'binary' | 'text', greets: boolean): SessionScript {
  const makers = form === 'text' ? textMakers : binaryMakers;
  const attacks: Attack[] = [];
  // An id of 0 now and then: nobody waits for an answer.
  for (let id = 1; id <= FRAMES_PER_JOB; id++) attacks.push(draw(makers, prng, prng.chance(0.03) ? 0 : id));
  if (greets) return { form, greets, isBurst: false, attacks };
  const early = attacks.slice(0, 2).map((attack) => ({ ...attack, verdict: { ...attack.verdict, mayClose: true } }));
  return { form, greets, isBurst: false, attacks: early };
}

type Request = (id: number) => WireField;

function burst(name: string, count: number, request: Request): SessionScript {
  const attacks: Attack[] = [];
  for (let id = 1; id <= count; id++) attacks.push(binary(name, encodeTree([numberField(1, id), request(id)])));
  return { form: 'binary', greets: true, isBurst: true, attacks };
}

function publish(valueBytes: number): WireField {
  const value = lengthField(2, new Uint8Array(valueBytes));
  return lengthField(3, [lengthField(1, TOPIC), numberField(2, 0), lengthField(3, [value]), numberField(5, 1)]);
}

function topicMode(credit: number): WireField {
  return lengthField(4, [numberField(1, credit), lengthField(3, [numberField(2, 1)])]);
}

function queueMode(credit: number, automatic: number): WireField {
  return lengthField(3, [numberField(1, credit), numberField(2, automatic)]);
}

function subscribe(number: number, from: string, mode: WireField): WireField {
  return lengthField(4, [numberField(1, number), lengthField(2, from), mode]);
}

function addCredit(count: number): WireField {
  return lengthField(6, [numberField(1, 1), numberField(2, count)]);
}

/** Conversations in which each frame is sound, and all together are not. */
const bursts: readonly (() => SessionScript)[] = [
  () => burst('publish window', 12_000, () => publish(1)),
  () => burst('publish bytes window', 200, () => publish(65_536)),
  () => burst('too many subscriptions', 300, (id) => subscribe(id, TOPIC, topicMode(0))),
  () => burst('subscription used twice', 40, () => subscribe(1, QUEUE, queueMode(5, 0))),
  () => burst('credit overflow', 60, (id) => (id === 1 ? subscribe(1, TOPIC, topicMode(60_000)) : addCredit(65_535))),
  () =>
    burst('credit overflow', 60, (id) => (id === 1 ? subscribe(1, QUEUE, queueMode(60_000, 1)) : addCredit(65_535))),
  () =>
    burst('too many fetches', 400, () =>
      lengthField(9, [
        lengthField(1, 'silent-topic'),
        lengthField(2, []),
        numberField(3, 100),
        numberField(4, 300),
        numberField(5, 9),
      ]),
    ),
  () =>
    burst('subscribe and leave', 200, (id) =>
      id % 2 === 1 ? subscribe(1, QUEUE, queueMode(50, 0)) : lengthField(5, [numberField(1, 1)]),
    ),
];

/** The script of one job. */
export function sessionScript(prng: Prng): SessionScript {
  if (prng.chance(0.008)) return prng.pick(bursts)();
  const form = prng.chance(0.15) ? 'text' : 'binary';
  return mixture(prng, form, !prng.chance(0.04));
}
