/** A simulated node with its AMQP doors, as clients meet it. */
import type { Prng } from '../../../src/base/prng.js';
import { guestAccess } from '../../../src/broker/access.js';
import { AmqpDoor, amqpLimits } from '../../../src/doors/amqp/index.js';
import type { SimulatedClock } from '../../../src/io/clock/simulated-clock.js';
import { SeededRandom } from '../../../src/io/random/seeded-random.js';
import { AmqpClient } from '../../fuzz/amqp/client.js';
import type { Site } from '../amqp/site.js';
import type { SimulatedNode } from '../power/simulated-node.js';
import type { SimulatedShard } from '../power/simulated-shard.js';
import { SimulatedConnection, type Tamper } from './simulated-connection.js';

/** Time stands still while a turn runs, so that nothing but the broker's own waiting makes a message late. */
const LATEST_MS = 100;
const WINDOW = 8;

/** What a site is made of. */
export interface SiteOptions {
  readonly node: SimulatedNode;
  readonly prng: Prng;
  readonly isDead: () => boolean;
  /** Makes what is done to the frames of one connection. */
  readonly tamper?: (() => Tamper) | undefined;
}

/** See the top of this file. */
export class SimulatedSite implements Site {
  readonly window = WINDOW;
  readonly latestMs = LATEST_MS;
  readonly clock: SimulatedClock;
  readonly timers: SimulatedClock;
  private readonly options: SiteOptions;
  private readonly doors: readonly AmqpDoor[];
  private readonly connections: SimulatedConnection[] = [];
  private steps: (() => void)[] = [];

  constructor(options: SiteOptions) {
    this.options = options;
    this.clock = options.node.clock;
    this.timers = this.clock;
    this.doors = options.node.shards.map((shard) => this.openDoor(shard));
  }

  connect(): Promise<AmqpClient> {
    const { prng, isDead, tamper } = this.options;
    const door = prng.pick(this.doors);
    const connection = new SimulatedConnection({
      door,
      timers: this.clock,
      prng: prng.fork(),
      isDead,
      tamper: tamper?.(),
    });
    this.connections.push(connection);
    return AmqpClient.over(connection);
  }

  next(step: () => void): void {
    this.steps.push(step);
  }

  /** Lets every client that waits for its turn do its next step. */
  turn(): void {
    for (const step of this.steps.splice(0)) step();
  }

  /** The node is dead. */
  hangUp(): void {
    for (const connection of this.connections) connection.hangUp();
  }

  /** The node's farewell: resolves when no connection is left. */
  async closeDoors(): Promise<void> {
    for (const door of this.doors) door.goAway('The node stops');
    await Promise.all(this.doors.map((door) => door.closed()));
  }

  private openDoor({ broker }: SimulatedShard): AmqpDoor {
    const { clock } = this;
    const door = new AmqpDoor({
      broker,
      clock,
      timers: clock,
      random: new SeededRandom(this.options.prng.nextU32()),
      limits: amqpLimits({}),
      node: { name: 'simulated', version: '0.0.0' },
      access: guestAccess({ user: 'guest', password: 'guest', allowRemote: false }),
      transactions: broker.transactions,
      replies: broker.replies,
    });
    broker.replies.receiver = (address, properties, body) => door.deliverReply(address, properties, body);
    return door;
  }
}
