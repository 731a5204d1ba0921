import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BugError } from './assert.js';
import { Deque } from './deque.js';
import { MinHeap, NumberHeap } from './heap.js';

describe('heap', () => {
  it('gives numbers back in order, whatever is pushed and popped', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: -50, max: 50 }))), (steps) => {
        const heap = new NumberHeap();
        const model: number[] = [];
        for (const step of steps) {
          if (step === null) {
            expect(heap.pop()).toBe(model.shift());
          } else {
            heap.push(step);
            model.push(step);
            model.sort((a, b) => a - b);
          }
          expect(heap.peek()).toBe(model[0]);
          expect(heap.size).toBe(model.length);
        }
      }),
    );
  });

  it('orders by the comparison that it was given', () => {
    const heap = new MinHeap<{ due: number }>((a, b) => a.due > b.due);
    for (const due of [2, 9, 4]) heap.push({ due });
    expect([heap.pop(), heap.pop(), heap.pop(), heap.pop()]).toEqual([{ due: 9 }, { due: 4 }, { due: 2 }, undefined]);
    heap.push({ due: 1 });
    heap.clear();
    expect(heap.size).toBe(0);
  });
});

describe('Deque', () => {
  const step = fc.oneof(
    fc.constantFrom('popFront' as const, 'popBack' as const),
    fc.tuple(fc.constantFrom('pushFront' as const, 'pushBack' as const), fc.integer()),
  );

  it('behaves as an array does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
        const deque = new Deque<number>();
        const model: number[] = [];
        for (const one of steps) {
          if (one === 'popFront') expect(deque.popFront()).toBe(model.shift());
          else if (one === 'popBack') expect(deque.popBack()).toBe(model.pop());
          else {
            deque[one[0]](one[1]);
            if (one[0] === 'pushFront') model.unshift(one[1]);
            else model.push(one[1]);
          }
          expect([deque.length, deque.peekFront(), deque.peekBack()]).toEqual([model.length, model[0], model.at(-1)]);
        }
        expect([...deque]).toEqual(model);
      }),
    );
  });

  it('refuses indexes outside, and can be cleared', () => {
    const deque = new Deque<string>();
    deque.pushBack('a');
    deque.set(0, 'b');
    expect(deque.at(0)).toBe('b');
    expect(() => deque.at(1)).toThrow(BugError);
    expect(() => deque.set(-1, 'c')).toThrow(BugError);
    deque.clear();
    expect(deque.popFront()).toBeUndefined();
  });
});
