import { expect, it } from 'vitest';
import { releaseMemory } from './release-memory.js';

it('leaves nothing of the memory, whichever view was given', () => {
  const bytes = new Uint8Array(1024);
  const view = bytes.subarray(10, 20);
  releaseMemory(view);
  expect([bytes.length, view.length, bytes.buffer.byteLength]).toEqual([0, 0, 0]);
});
