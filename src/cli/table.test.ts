import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { printable } from './printable.js';
import { renderFields, renderTable, shorten } from './table.js';

const columns = [{ heading: 'NAME' }, { heading: 'DEPTH', align: 'right' }] as const;

describe('tables', () => {
  it('lines columns up, numbers to the right, and leaves nothing behind', () => {
    const text = renderTable(
      [...columns, { heading: 'NOTE' }],
      [
        ['orders', '7', ''],
        ['a', '1,234', 'x'],
      ],
    );
    expect(text).toBe(['NAME    DEPTH  NOTE', 'orders      7', 'a       1,234  x', ''].join('\n'));
  });

  it('counts cells, not characters: wide, combining and joined ones', () => {
    const rows = [
      ['注文', '1'],
      ['é'.normalize('NFD'), '2'],
      ['👩‍💻 job', '3'],
      ['plain', '4'],
    ];
    const lines = renderTable(columns, rows).trimEnd().split('\n');
    expect(lines.map((line) => stringWidth(line))).toEqual(Array(5).fill(stringWidth(lines[0]!)));
    expect(lines[1]).toBe('注文        1');
  });

  it('shortens the widest text where the terminal is narrow, never a number', () => {
    const text = renderTable(columns, [['a-very-long-name-of-a-topic', '123456']], { width: 20 });
    expect(text).toBe('NAME           DEPTH\na-very-long…  123456\n');
    const squeezed = renderTable(columns, [['a-very-long-name-of-a-topic', '123456']], { width: 3 });
    expect(squeezed).toContain('123456');
  });

  it('leaves optional columns out before it shortens anything, the last one first', () => {
    const wide = [
      { heading: 'NAME' },
      { heading: 'SIZE', optional: true },
      { heading: 'STATE', optional: true },
      { heading: 'END' },
    ];
    const row = ['topic', '1 MiB', 'serves', '7'];
    expect(renderTable(wide, [row], { width: 25 })).toBe('NAME   SIZE   STATE   END\ntopic  1 MiB  serves  7\n');
    expect(renderTable(wide, [row], { width: 24 })).toBe('NAME   SIZE   END\ntopic  1 MiB  7\n');
    expect(renderTable(wide, [row], { width: 10 })).toBe('NAME   END\ntopic  7\n');
  });

  it('fits any cells into any width that leaves room', () => {
    const cell = fc.string({ unit: 'grapheme', maxLength: 40 });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { maxLength: 5 }), fc.integer({ min: 18, max: 90 }), (rows, width) => {
        const text = renderTable([{ heading: 'A' }, { heading: 'B' }], rows, { width });
        const lines = text.split('\n').slice(0, -1);
        expect(lines).toHaveLength(rows.length + 1);
        for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(width);
      }),
    );
  });

  it('shows what would move the cursor as an escape', () => {
    const text = renderTable([{ heading: 'NAME' }], [['a\u001b[2Jb\nc\u202ed']]);
    expect(text).toBe('NAME\na\\x1b[2Jb\\nc\\u202ed\n');
    expect(printable('a\nb\u0007', '\n')).toBe('a\nb\\x07');
  });

  it('cuts never through a character that takes two cells', () => {
    expect(shorten('注文注文', 4)).toBe('注…');
    expect(shorten('注文', 4)).toBe('注文');
  });

  it('lines fields up', () => {
    expect(
      renderFields([
        ['name', 'a'],
        ['partitions', '4'],
      ]),
    ).toBe('name        a\npartitions  4\n');
  });
});
