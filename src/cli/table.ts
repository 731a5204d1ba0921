import stringWidth from 'string-width';
import { printable } from './printable.js';

/**
 * A column of a table: its heading, and on which side its cells line up. Where the terminal is narrow, `optional` columns are left out, the last one
 * first; then `left` columns are shortened.
 */
export interface Column {
  readonly heading: string;
  readonly align?: 'left' | 'right';
  readonly optional?: boolean;
}

/** What a table is drawn into. `width` is that of the terminal in cells; absent where nobody looks and nothing may be cut. */
export interface TableStyle {
  readonly width?: number | undefined;
  readonly heading?: (text: string) => string;
}

const GAP = '  ';
/** Below this many cells a shortened column says nothing any more. */
const LEAST_WIDTH = 8;

/** Lines of a table: headings, then rows; columns are two blanks apart, and nothing trails. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: TableStyle = {},
): string {
  const cells = rows.map((row) => columns.map((_, index) => printable(row[index] ?? '')));
  const all = columns.map((column, index) =>
    layOut(
      column,
      cells.map((row) => row[index]!),
    ),
  );
  const shown = style.width === undefined ? all : fitWidths(leaveOut(all, style.width), style.width);
  const line = (cell: (column: LaidOut) => string): string =>
    shown
      .map((column) => pad(shorten(cell(column), column.width), column.width, column.align ?? 'left'))
      .join(GAP)
      .trimEnd();
  const heading = style.heading ?? ((text: string) => text);
  const lines = [
    heading(line((column) => column.heading)),
    ...rows.map((_, row) => line((column) => column.cells[row]!)),
  ];
  return lines.map((text) => `${text}\n`).join('');
}

/** A column with its cells and the width that it is given. */
interface LaidOut extends Column {
  readonly cells: readonly string[];
  readonly width: number;
}

function layOut(column: Column, cells: readonly string[]): LaidOut {
  return { ...column, cells, width: Math.max(...[column.heading, ...cells].map((cell) => stringWidth(cell))) };
}

function totalWidth(columns: readonly LaidOut[]): number {
  return columns.reduce((sum, { width }) => sum + width, 0) + GAP.length * (columns.length - 1);
}

/** The columns without so many optional ones that the rest fits, or without all of them. */
function leaveOut(columns: readonly LaidOut[], available: number): readonly LaidOut[] {
  let kept = columns;
  while (totalWidth(kept) > available) {
    const last = kept.findLastIndex(({ optional }) => optional === true);
    if (last < 0) break;
    kept = kept.filter((_, index) => index !== last);
  }
  return kept;
}

/** Lines of `name  value`, the values lined up: one thing described from top to bottom. */
export function renderFields(fields: readonly (readonly [string, string])[], style: TableStyle = {}): string {
  const width = Math.max(0, ...fields.map(([name]) => stringWidth(name)));
  const paint = style.heading ?? ((text: string) => text);
  return fields.map(([name, value]) => `${paint(pad(name, width, 'left'))}${GAP}${printable(value)}\n`).join('');
}

/** Takes from the widest left column, again and again, until the table fits or nothing more can be taken. */
function fitWidths(columns: readonly LaidOut[], available: number): readonly LaidOut[] {
  const widths = columns.map(({ width }) => width);
  for (let excess = totalWidth(columns) - available; excess > 0; excess -= 1) {
    let widest = -1;
    for (let index = 0; index < widths.length; index += 1) {
      const canShrink = columns[index]!.align !== 'right' && widths[index]! > LEAST_WIDTH;
      if (canShrink && (widest < 0 || widths[index]! > widths[widest]!)) widest = index;
    }
    if (widest < 0) break;
    widths[widest]! -= 1;
  }
  return columns.map((column, index) => ({ ...column, width: widths[index]! }));
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const blanks = ' '.repeat(Math.max(0, width - stringWidth(text)));
  return align === 'right' ? blanks + text : text + blanks;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Cuts text to `width` cells, with an ellipsis where something is missing; never through a character that takes two cells. */
export function shorten(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const segmentWidth = stringWidth(segment);
    if (used + segmentWidth > width - 1) break;
    kept += segment;
    used += segmentWidth;
  }
  return `${kept}…`;
}
