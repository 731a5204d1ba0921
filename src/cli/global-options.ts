/** Where a node is looked for unless told otherwise. */
export const DEFAULT_URL = 'ws://127.0.0.1:7700/ws';

/** How results are printed: a table for people, one JSON text, or one JSON text per line. */
export const OUTPUT_FORMATS = ['table', 'json', 'ndjson'] as const;
/** One of the formats above. */
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** The options of every command that decide about printing. */
export interface OutputOptions {
  readonly output: OutputFormat;
  readonly quiet?: boolean | undefined;
  /** true: always; false: never; undefined: where stderr is a terminal. */
  readonly progress?: boolean | undefined;
}

/** Options about the connection. */
export interface ConnectionOptions {
  readonly url: string;
  /** In milliseconds. */
  readonly timeout: number;
  /** Files in PEM. */
  readonly ca?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly insecure?: boolean;
  /** The name of a context to take the rest from. */
  readonly context?: string;
  readonly vhost?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

/** Options that every command that talks to a node has. */
export interface GlobalOptions extends ConnectionOptions, OutputOptions {}
