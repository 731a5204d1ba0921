import type { OutputFormat, OutputOptions } from './global-options.js';
import { drawProgress, noProgress, type Progress, type ProgressSubject } from './progress.js';
import { type Column, renderFields, renderTable } from './table.js';
import { type Paint, paintFor, type Terminal, writeTo } from './terminal.js';

/** A column with how to get its cell from a row. */
export interface CellColumn<Row> extends Column {
  readonly cell: (row: Row) => string;
}

/** Prints results on stdout and everything that is only for people on stderr. */
export class Output {
  readonly terminal: Terminal;
  readonly format: OutputFormat;
  /** Colours for stdout. */
  readonly paint: Paint;
  readonly #options: OutputOptions;

  constructor(terminal: Terminal, options: OutputOptions) {
    this.terminal = terminal;
    this.format = options.output;
    this.paint = paintFor(terminal.stdout, terminal.environment);
    this.#options = options;
  }

  /** Prints a list: a table, an array, or a line for each. `empty` tells a person that there is nothing. */
  async list<Row>(
    rows: readonly Row[],
    columns: readonly CellColumn<Row>[],
    asJson: (row: Row) => unknown,
    empty: string,
  ) {
    if (this.format === 'json') return this.#write(`${JSON.stringify(rows.map(asJson), undefined, 2)}\n`);
    if (this.format === 'ndjson') return this.#write(rows.map((row) => `${JSON.stringify(asJson(row))}\n`).join(''));
    if (rows.length === 0) return this.note(empty);
    return this.table(rows, columns);
  }

  /** Prints one thing: as a person reads it, or as one JSON text. */
  async one(value: unknown, asText: () => string | Promise<string>): Promise<void> {
    if (this.format === 'json') return this.#write(`${JSON.stringify(value, undefined, 2)}\n`);
    if (this.format === 'ndjson') return this.#write(`${JSON.stringify(value)}\n`);
    return this.#write(await asText());
  }

  /** Prints a table, whatever the format. */
  async table<Row>(rows: readonly Row[], columns: readonly CellColumn<Row>[]): Promise<void> {
    await this.#write(this.tableText(rows, columns));
  }

  /** The text of a table, fitted to the terminal where there is one. */
  tableText<Row>(rows: readonly Row[], columns: readonly CellColumn<Row>[]): string {
    const cells = rows.map((row) => columns.map((column) => column.cell(row)));
    return renderTable(columns, cells, { width: this.#width(), heading: (text) => this.paint('bold', text) });
  }

  /** The text of `name  value` lines. */
  fieldsText(fields: readonly (readonly [string, string])[]): string {
    return renderFields(fields, { heading: (text) => this.paint('dim', text) });
  }

  /** A remark for people on stderr, unless they want none. */
  note(text: string): void {
    if (this.#options.quiet !== true) this.terminal.stderr.write(`${text}\n`);
  }

  /** A warning on stderr, however quiet. */
  warn(text: string): void {
    const paint = paintFor(this.terminal.stderr, this.terminal.environment);
    this.terminal.stderr.write(`${paint('yellow', 'warning:')} ${text}\n`);
  }

  /**
   * A progress line on stderr, where somebody can see it. A command whose results run over the same terminal passes `mixed`: the line would be
   * torn to pieces there.
   */
  progress(subject: ProgressSubject, mixed = false): Progress {
    const { progress, quiet } = this.#options;
    const { stdout, stderr } = this.terminal;
    const isVisible = stderr.isTTY === true && quiet !== true && !(mixed && stdout.isTTY === true);
    return (progress ?? isVisible) ? drawProgress(stderr, subject) : noProgress;
  }

  #width(): number | undefined {
    const { isTTY, columns } = this.terminal.stdout;
    return isTTY === true && columns !== undefined && columns > 0 ? columns : undefined;
  }

  #write(text: string): Promise<void> {
    return writeTo(this.terminal.stdout, text);
  }
}
