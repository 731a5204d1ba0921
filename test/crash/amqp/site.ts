/** Where clients meet a node: a real process, or one that is simulated. */
import type { Prng } from '../../../src/base/prng.js';
import type { Clock, Timers } from '../../../src/io/ports.js';
import type { AmqpClient } from '../../fuzz/amqp/client.js';

/** See the top of this file. */
export interface Site {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Publishes that one client has unconfirmed at once. */
  readonly window: number;
  /** How late a delayed message may come on a node with nothing else to do, in milliseconds. */
  readonly latestMs: number;
  /** A connection to any part of the node, by any way there is. */
  connect(prng: Prng): Promise<AmqpClient>;
  /** Runs a client's next step, when its turn has come. */
  next(step: () => void): void;
}
