import type { TopicEntry } from '../ports.js';

/** Where a message goes. Shared by all messages of the same route: not to be changed, but for `cached`. */
export interface Destinations {
  /** Topics and queues without duplicates, in no order; empty = unroutable. */
  readonly topics: readonly TopicEntry[];
  /** Exchanges on the way that hold the message: from each of them it goes on when its time has come. */
  readonly held?: readonly string[];
  /** Room for what a publisher computes from it once. */
  cached?: unknown;
}

/** The route to nowhere. */
export const UNROUTABLE: Destinations = { topics: [] };
