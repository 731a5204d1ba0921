import { describe, expect, it } from 'vitest';
import { OverflowQueue } from './overflow-queue.js';

/** A queue of numbers, each as large as its value, in front of something that takes `room.left` more. */
function queueWithRoom(left: number, limits: { maxItems?: number; maxBytes?: number } = {}) {
  const room = { left };
  const sent: number[] = [];
  const queue = new OverflowQueue<number>({
    ...limits,
    sizeOf: (item) => item,
    trySend: (item) => {
      if (room.left === 0) return false;
      room.left--;
      sent.push(item);
      return true;
    },
  });
  return { queue, room, sent };
}

describe('overflow queue', () => {
  it('keeps the order when credit comes back between two items', () => {
    const { queue, room, sent } = queueWithRoom(1);
    expect([queue.send(1), queue.send(2)]).toEqual(['sent', 'queued']);
    room.left = 1;
    expect(queue.send(3)).toBe('queued');
    room.left = 5;
    queue.flush();
    expect(sent).toEqual([1, 2, 3]);
  });

  it('is full by count and by bytes, and takes one item of any size', () => {
    const byCount = queueWithRoom(0, { maxItems: 2 }).queue;
    expect([byCount.send(1), byCount.send(1), byCount.send(1)]).toEqual(['queued', 'queued', 'full']);
    const byBytes = queueWithRoom(0, { maxBytes: 10 }).queue;
    expect([byBytes.send(100), byBytes.send(1)]).toEqual(['queued', 'full']);
    const exact = queueWithRoom(0, { maxBytes: 10 }).queue;
    expect([exact.send(4), exact.send(6), exact.send(1), exact.waitingBytes]).toEqual(['queued', 'queued', 'full', 10]);
  });

  it('resumes paused sources one by one, each once, until something waits again', () => {
    const { queue, room } = queueWithRoom(0);
    const resumed: string[] = [];
    const greedy = (): void => {
      resumed.push('greedy');
      queue.send(1);
      queue.send(1);
      queue.whenWritable(greedy);
    };
    const modest = (): void => void resumed.push('modest');
    queue.send(1);
    queue.whenWritable(greedy);
    queue.whenWritable(modest);
    queue.whenWritable(modest);
    queue.flush();
    expect(resumed).toEqual([]);
    room.left = 2;
    queue.flush();
    expect(resumed).toEqual(['greedy']);
    room.left = 100;
    queue.flush();
    expect(resumed).toEqual(['greedy', 'modest', 'greedy']);
    expect([queue.pausedCount, queue.waitingItems, queue.waitingBytes]).toEqual([1, 0, 0]);
    queue.forget(greedy);
    expect(queue.pausedCount).toBe(0);
  });
});
