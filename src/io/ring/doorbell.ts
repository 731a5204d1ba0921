import type { MessagePort } from 'node:worker_threads';
import { assert } from '../../base/assert.js';

/** One shard's way to wake the others. A ring that arrives while nobody listens is lost. */
export interface Doorbells {
  /** Wakes `shard`. Costs about 10 µs, so it is done only for a shard that has flagged itself asleep. */
  ring(shard: number): void;
  /** Sets what happens when another shard rings here. It runs in an event-loop turn of its own. */
  onRing(listener: () => void): void;
  /** Ends ringing in both directions, and lets the thread end. */
  close(): void;
}

/** The real doorbells: one message port to each other shard; the entry of the shard itself is null. */
export class PortDoorbells implements Doorbells {
  private readonly ports: readonly (MessagePort | null)[];

  constructor(ports: readonly (MessagePort | null)[]) {
    this.ports = ports;
  }

  ring(shard: number): void {
    const port = this.ports[shard];
    assert(port, `There is no doorbell at shard ${shard}`);
    port.postMessage(0);
  }

  onRing(listener: () => void): void {
    for (const port of this.ports) port?.on('message', listener);
  }

  close(): void {
    for (const port of this.ports) port?.close();
  }
}

/** The in-thread twin: the shards are on one thread, and a ring is a callback in a later turn of its event loop. */
export class InThreadDoorbells implements Doorbells {
  private readonly street: readonly InThreadDoorbells[];
  private readonly schedule: (callback: () => void) => void;
  private listener: (() => void) | undefined;

  private constructor(street: readonly InThreadDoorbells[], schedule: (callback: () => void) => void) {
    this.street = street;
    this.schedule = schedule;
  }

  /** One per shard. `schedule` runs a callback later, never within the call; a simulator passes its own. */
  static create(shards: number, schedule: (callback: () => void) => void = setImmediate): InThreadDoorbells[] {
    const street: InThreadDoorbells[] = [];
    for (let shard = 0; shard < shards; shard++) street.push(new InThreadDoorbells(street, schedule));
    return street;
  }

  ring(shard: number): void {
    const neighbour = this.street[shard];
    assert(neighbour, `There is no doorbell at shard ${shard}`);
    this.schedule(() => neighbour.listener?.());
  }

  onRing(listener: () => void): void {
    this.listener = listener;
  }

  close(): void {
    this.listener = undefined;
  }
}
