// Named checks with a figure each, printed as one table; one that fails makes the process fail.
import { table } from './tables.mjs';

/** Collects checks. */
export class Checks {
  #rows = [];
  #failed = 0;

  /** Notes a check: what was looked at, its figure as text, what is demanded, and whether it holds (undefined: only for information). */
  add(name, figure, demand, holds) {
    const outcome = holds === undefined ? '–' : holds ? 'pass' : 'FAIL';
    if (holds === false) this.#failed++;
    this.#rows.push([name, figure, demand, outcome]);
    console.error(`${outcome === '–' ? 'note' : outcome}  ${name}: ${figure}${demand === '' ? '' : ` (${demand})`}`);
  }

  /** Prints the table and sets the exit code. */
  finish() {
    console.log(`\n${table(['What', 'Figure', 'Demand', 'Outcome'], this.#rows)}\n`);
    console.log(this.#failed === 0 ? 'Everything demanded holds.' : `${this.#failed} demands are not met.`);
    process.exitCode = this.#failed === 0 ? 0 : 1;
  }
}
