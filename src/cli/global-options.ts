import type { ConnectionOptions } from './connection.js';
import type { OutputOptions } from './output.js';

/** Options that every command that talks to a node has. */
export interface GlobalOptions extends ConnectionOptions, OutputOptions {}

/** Where a node is looked for unless told otherwise. */
export const DEFAULT_URL = 'ws://127.0.0.1:7700/ws';

/** How results are printed: a table for people, one JSON text, or one JSON text per line. */
export const OUTPUT_FORMATS = ['table', 'json', 'ndjson'] as const;
/** One of the formats above. */
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];
