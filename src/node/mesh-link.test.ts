import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { copyOf } from '../base/copy.js';
import {
  createMeshLayout,
  InThreadDoorbells,
  type MeshSchedule,
  minimumMeshBytes,
  planMeshBudget,
  ShardMesh,
} from '../io/ring/index.js';
import { MeshLink } from './mesh-link.js';

const MAX_BODY_BYTES = 96 * 1024;
const REPLY_BYTES = 400;

/** Callbacks of both shards; the test decides which runs next. */
class Turns {
  readonly pending: (() => void)[] = [];
  readonly schedule: MeshSchedule = {
    nextTurn: (callback) => void this.pending.push(callback),
    endOfTurn: (callback) => void this.pending.push(callback),
    idleTurns: 1,
  };

  run(pick: number): void {
    const [callback] = this.pending.splice(pick % Math.max(1, this.pending.length), 1);
    callback?.();
  }

  settle(): void {
    for (let ran = 0; this.pending.length > 0; ran++) {
      if (ran > 200_000) throw new Error('The shards do not come to rest');
      this.run(0);
    }
  }
}

interface Arrived {
  readonly correlation: number | undefined;
  readonly head: Uint8Array;
  readonly body: Uint8Array | undefined;
}

interface Side {
  readonly link: MeshLink;
  readonly arrived: Arrived[];
  readonly unanswered: Arrived[];
}

const open: ShardMesh[] = [];
afterEach(() => {
  for (const mesh of open.splice(0)) mesh.close();
});

/** Two shards with the smallest rings there are. */
function pair(turns: Turns): Side[] {
  const budget = planMeshBudget(2, minimumMeshBytes(2, MAX_BODY_BYTES), MAX_BODY_BYTES);
  const layout = createMeshLayout(budget, 1024);
  const sides: Side[] = [];
  for (const [self, bells] of InThreadDoorbells.create(2, turns.schedule.nextTurn).entries()) {
    const take = (message: Parameters<MeshLink['deliver']>[0], isNotice: boolean): void => {
      const side = sides[self]!;
      side.link.deliver(message, isNotice, (correlation, head, body) => {
        const arrived = { correlation, head: copyOf(head), body: body && copyOf(body) };
        side.arrived.push(arrived);
        if (correlation !== undefined) side.unanswered.push(arrived);
      });
    };
    const mesh = ShardMesh.attach(
      layout,
      self,
      bells,
      {
        onRequest: (message) => take(message, false),
        onNotice: (message) => take(message, true),
        onReply: (message) => sides[self]!.link.onReply(message),
        onDirty: () => undefined,
      },
      turns.schedule,
    );
    open.push(mesh);
    sides.push({ link: new MeshLink(mesh.channel(1 - self), MAX_BODY_BYTES), arrived: [], unanswered: [] });
  }
  for (const mesh of open) mesh.start();
  return sides;
}

function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff);
}

/** Head and body as one, since small bodies follow the head in the same bytes. */
function whole({ head, body }: { head: Uint8Array; body: Uint8Array | undefined }): Uint8Array {
  return Buffer.concat([head, body ?? new Uint8Array(0)]);
}

type Step =
  | { do: 'request'; side: number; headBytes: number; bodyBytes: number | undefined; isAnswered: boolean }
  | { do: 'answer'; side: number; pick: number; bytes: number }
  | { do: 'run'; pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('request' as const),
      side: fc.nat(1),
      headBytes: fc.integer({ min: 1, max: 400 }),
      bodyBytes: fc.option(
        fc.oneof(fc.nat(300), fc.integer({ min: 15_000, max: 17_000 }), fc.integer({ min: 1, max: MAX_BODY_BYTES })),
        { nil: undefined },
      ),
      isAnswered: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      side: fc.nat(1),
      pick: fc.nat(50),
      bytes: fc.nat(REPLY_BYTES),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('run' as const), pick: fc.nat(10) }) },
);

class Run {
  readonly turns = new Turns();
  readonly sides = pair(this.turns);
  readonly sent: Uint8Array[][] = [[], []];
  readonly answers: { expected: Uint8Array | undefined; got: Uint8Array[] }[] = [];
  readonly answerOf = new Map<Uint8Array, { expected: Uint8Array | undefined; got: Uint8Array[] }>();
  private seed = 0;

  take(one: Step): void {
    if (one.do === 'run') this.turns.run(one.pick);
    else if (one.do === 'request') this.request(one);
    else this.answer(one.side, one.pick, one.bytes);
  }

  private request({ side, headBytes, bodyBytes, isAnswered }: Step & { do: 'request' }): void {
    const head = bytesOf(headBytes, this.seed++);
    const body = bodyBytes === undefined ? undefined : bytesOf(bodyBytes, this.seed++);
    const bytes = whole({ head, body });
    this.sent[side]!.push(bytes);
    const answer = { expected: undefined, got: [] as Uint8Array[] };
    if (isAnswered) this.answers.push(answer);
    this.answerOf.set(bytes, answer);
    const onReply = isAnswered
      ? (reply: { bytes: Uint8Array; at: number; end: number }) => {
          answer.got.push(copyOf(reply.bytes.subarray(reply.at, reply.end)));
        }
      : undefined;
    this.sides[side]!.link.request(head, body, isAnswered ? REPLY_BYTES : 0, onReply);
    // What was lent is the lender's again.
    head.fill(0);
    body?.fill(0);
  }

  answer(side: number, pick: number, bytes: number): void {
    const { unanswered, arrived, link } = this.sides[side]!;
    const [one] = unanswered.splice(pick % Math.max(1, unanswered.length), 1);
    if (one === undefined) return;
    const reply = bytesOf(bytes, this.seed++);
    this.answerOf.get(this.sent[1 - side]![arrived.indexOf(one)]!)!.expected = copyOf(reply);
    link.reply(one.correlation!, reply);
    reply.fill(0);
  }

  finish(): void {
    for (let round = 0; round < 10_000; round++) {
      this.turns.settle();
      if (this.sides.every(({ unanswered, link }) => unanswered.length === 0 && link.idle)) break;
      for (const side of [0, 1]) this.answer(side, round, round % REPLY_BYTES);
    }
    for (const side of [0, 1]) {
      const { arrived } = this.sides[side]!;
      expect(arrived.length).toBe(this.sent[1 - side]!.length);
      for (const [index, one] of arrived.entries()) {
        expect(Buffer.compare(whole(one), this.sent[1 - side]![index]!)).toBe(0);
      }
    }
    for (const { expected, got } of this.answers) expect(got.map(copyOf)).toEqual([expected]);
    for (const { link } of this.sides) expect([link.idle, link.writable, link.waitingBytes]).toEqual([true, true, 0]);
  }
}

describe('mesh link over the smallest rings', () => {
  test('everything arrives once, whole and in order, and every request is answered once', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const run = new Run();
        for (const one of steps) run.take(one);
        run.finish();
        for (const mesh of open.splice(0)) mesh.close();
      }),
      { numRuns: 60 },
    );
  });

  test('says that it is full, and when it is worth going on', () => {
    const turns = new Turns();
    const [near, far] = pair(turns);
    let calls = 0;
    near!.link.onWritable(() => calls++);
    const body = new Uint8Array(10_000);
    let count = 0;
    for (; near!.link.writable; count++) near!.link.request(new Uint8Array(20), body, 0, undefined);
    expect(near!.link.waitingBytes).toBe(10_020);
    expect(calls).toBe(0);
    turns.settle();
    expect(calls).toBe(1);
    expect(far!.arrived.length).toBe(count);
  });
});
