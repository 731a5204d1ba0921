import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Assembly } from './assembly.js';

test('every view keeps what was added, however often the room had to grow, and the next answer begins anew', () => {
  const answers = fc.array(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), { maxLength: 10 });
  fc.assert(
    fc.property(answers, (all) => {
      const assembly = new Assembly();
      for (const parts of all) {
        const views = parts.map((part) => assembly.add(part));
        expect(views.map((view) => [...view])).toEqual(parts.map((part) => [...part]));
        assembly.clear();
      }
    }),
  );
});
