// What the demo shows: a progress line for people, a plain line per leg for files, and the table at the end.
import { drawProgress, noProgress } from '../../dist/cli/progress.js';
import { formatCount } from '../../dist/cli/quantities.js';
import { renderTable } from '../../dist/cli/table.js';

/** @typedef {import('./journey.mjs').Leg} Leg */

const seconds = (/** @type {number} */ value) => `${value.toFixed(2)} s`;

/**
 * Tells on `stream` how far each leg of `total` flights is.
 * @param {import('../../dist/cli/terminal.js').TerminalStream} stream
 * @param {number} total
 */
export function progressOn(stream, total) {
  let line = noProgress;
  return {
    /** @param {string} verb */
    begin(verb) {
      line.clear();
      if (stream.isTTY === true) line = drawProgress(stream, { verb, total });
      else stream.write(`${verb.replace(/ed$/, 'ing')} …\n`);
      return (/** @type {number} */ done) => line.update(done);
    },
    end() {
      line.clear();
    },
  };
}

/**
 * A row of the table; `file` is what the totals are compared with.
 * @param {string} name
 * @param {Partial<Leg> & { totals?: import('./totals.mjs').Totals }} leg
 * @param {import('./totals.mjs').Totals} [file]
 */
function row(name, { rows, totals, seconds: took }, file) {
  const all = totals?.all;
  const count = rows ?? all?.flights ?? 0;
  return [
    name,
    formatCount(count),
    all === undefined ? '' : formatCount(all.delay),
    all === undefined ? '' : formatCount(all.departure),
    totals === undefined ? '' : formatCount(totals.byDistance.size),
    took === undefined ? '' : seconds(took),
    took === undefined ? '' : formatCount(count / took),
    file === undefined || totals === undefined ? '' : verdict(totals, file),
  ];
}

/**
 * @param {import('./totals.mjs').Totals} totals
 * @param {import('./totals.mjs').Totals} file
 */
function verdict(totals, file) {
  const { length } = totals.differences(file);
  return length === 0 ? 'equal' : `DIFFERENT at ${length} distances`;
}

/**
 * The table, and whether everything that came out is what the file holds.
 * @param {import('./totals.mjs').Totals} file
 * @param {{ published: Leg, pulled: Leg, consumed: Leg }} legs
 */
export function summary(file, { published, pulled, consumed }) {
  const shares = (consumed.shares ?? []).map(formatCount).join(' + ');
  const table = renderTable(
    [
      { heading: '' },
      { heading: 'flights', align: 'right' },
      { heading: 'sum of delays (min)', align: 'right' },
      { heading: 'sum of times (min)', align: 'right' },
      { heading: 'distances', align: 'right' },
      { heading: 'took', align: 'right' },
      { heading: 'flights/s', align: 'right' },
      { heading: 'sums per distance' },
    ],
    [
      row('in the file', { totals: file }),
      row('published, confirmed on disk', published),
      row('pulled by offset', pulled, file),
      row('consumed and acknowledged', consumed, file),
    ],
  );
  const isEqual = [pulled, consumed].every(({ totals }) => totals?.differences(file).length === 0);
  return { text: `${table}\nEach consumer's share: ${shares}\n`, isEqual };
}
