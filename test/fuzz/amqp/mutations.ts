/** Changes sound frames, so that nobody can say what they mean now. */
import type { Prng } from '../../../src/base/prng.js';
import { mutateBytes } from '../mutate.js';
import { type Step, victimFrames } from './steps.js';

type Change = (frames: Buffer[], prng: Prng) => Buffer[];

function one(frames: Buffer[], prng: Prng, change: (frame: Buffer) => Uint8Array): Buffer[] {
  const at = prng.below(frames.length);
  return frames.map((frame, index) => (index === at ? Buffer.from(change(Buffer.from(frame))) : frame));
}

const changes: readonly (readonly [name: string, change: Change])[] = [
  ['bytes changed', (frames, prng) => one(frames, prng, (frame) => mutateBytes(frame, prng))],
  [
    'arguments changed',
    // What is behind the method's number, so that the frame is still a frame.
    (frames, prng) =>
      one(frames, prng, (frame) => {
        for (let left = prng.between(1, 4); left > 0; left--) {
          if (frame.length > 12) frame[prng.between(11, frame.length - 2)] = prng.below(256);
        }
        return frame;
      }),
  ],
  [
    'arguments cut',
    (frames, prng) =>
      one(frames, prng, (frame) => {
        const cut = frame.subarray(0, prng.between(7, frame.length - 1));
        cut.writeUInt32BE(cut.length - 7, 3);
        return Buffer.concat([cut, Buffer.from([0xce])]);
      }),
  ],
  [
    'length changed',
    (frames, prng) =>
      one(frames, prng, (frame) => {
        frame.writeUInt32BE(
          prng.pick([0, 1, frame.length - 9, frame.length, frame.length + 100, 131_064, 131_080, 2 ** 32 - 1]) >>> 0,
          3,
        );
        return frame;
      }),
  ],
  [
    'type changed',
    (frames, prng) =>
      one(frames, prng, (frame) => {
        frame[0] = prng.pick([1, 2, 3, 8, prng.below(256)]);
        return frame;
      }),
  ],
  [
    'channel changed',
    (frames, prng) =>
      one(frames, prng, (frame) => {
        frame.writeUInt16BE(prng.pick([0, 1, 2, 3, 4, 2047, 65_535]), 1);
        return frame;
      }),
  ],
  [
    'method changed',
    (frames, prng) =>
      one(frames, prng, (frame) => {
        if (frame.length > 11)
          frame[prng.pick([8, 10])] = prng.pick([
            10,
            11,
            20,
            30,
            40,
            50,
            60,
            70,
            80,
            85,
            90,
            100,
            110,
            120,
            prng.below(256),
          ]);
        return frame;
      }),
  ],
  ['frame left out', (frames, prng) => frames.filter(() => prng.chance(0.6))],
  ['frames in another order', (frames, prng) => prng.shuffle([...frames])],
  ['random bytes', (_frames, prng) => [Buffer.from(prng.bytes(prng.between(1, 400)))]],
];

/** A step of which nobody knows what comes of it. */
export function mutation(prng: Prng, channel: number): Step {
  const [name, change] = prng.pick(changes);
  return { name, channel, frames: change(victimFrames(prng, channel), prng), wish: { kind: 'any' } };
}
