import type { Prng } from '../../../src/base/prng.js';
import type { AmqpChannel, Received } from '../../fuzz/amqp/client.js';
import type { LoadCounts } from './counts.js';
import type { Entry, Ledger } from './ledger.js';
import type { Site } from './site.js';

/** What every client of a load shares with the others. */
export interface Work {
  readonly site: Site;
  readonly prng: Prng;
  readonly ledger: Ledger;
  readonly counts: LoadCounts;
  /** Nothing that still arrives counts: the node is dead. */
  readonly isGone: boolean;
  /** Nothing new is begun: the node is dead or about to stop. */
  readonly isOver: boolean;
  /** Clients begin nothing new, and wait for what is under way. */
  readonly isQuiet: boolean;
  /** A channel on a connection of its own. */
  channel(): Promise<AmqpChannel>;
  /** Runs checks, and keeps the first broken promise. */
  guard(check: () => void): void;
  /** A name that nothing else has. */
  newName(kind: string): string;
  /** The body of a message: its name, with something behind it. */
  body(id: string): Buffer;
  /** Notes a delivery. @throws Violation */
  note(queue: string, received: Received): Entry;
}
