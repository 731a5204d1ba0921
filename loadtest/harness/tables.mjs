// Tables for terminals and for Markdown, from the same rows.

/** Text of a number with at most `digits` after the point, thousands apart. */
export const number = (value, digits = 0) =>
  value === undefined || Number.isNaN(value)
    ? '–'
    : value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** A share as a percentage. */
export const percent = (share) => (share === undefined || Number.isNaN(share) ? '–' : `${number(share * 100)} %`);

/** Two or three significant digits, for times. */
export const short = (value) =>
  value === undefined || Number.isNaN(value) ? '–' : number(value, value >= 100 ? 0 : value >= 10 ? 1 : 2);

const isNumeric = (text) => /^[<≤]?[\d–-]/.test(text);

/** A Markdown table, padded so that it reads well in a terminal too. Columns of numbers are set to the right, but never the first, which names the row. */
export function table(head, rows) {
  const texts = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(3, ...texts.map((row) => row[column].length)));
  const right = head.map(
    (_, column) => column > 0 && rows.length > 0 && rows.every((row) => isNumeric(String(row[column]))),
  );
  const line = (row) =>
    `| ${row.map((cell, at) => (right[at] ? cell.padStart(widths[at]) : cell.padEnd(widths[at]))).join(' | ')} |`;
  const rule = `|${widths.map((width, at) => `${'-'.repeat(width + 1)}${right[at] ? ':' : '-'}`).join('|')}|`;
  return [line(texts[0]), rule, ...texts.slice(1).map(line)].join('\n');
}
