/**
 * How many logins are checked at a time, and who waits: a check is slow by intention, so that guessing is. Addresses take turns, and what one address
 * gets wrong slows that address alone. docs/design/access.md, "The life of a login".
 */
import { Deque } from '../../base/deque.js';
import type { Clock, Timers } from '../../io/ports.js';
import * as limits from './limits.js';

interface Address {
  failures: number;
  lastFailureMs: number;
  /** Verdicts that are withheld now. */
  withheld: number;
}

interface Check {
  readonly run: () => Promise<void>;
  readonly address: string;
}

/** Too many wait already: the caller refuses, without having looked. */
export type Overload = 'busy';

/** See the top of this file. One per shard. */
export class LoginQueue {
  private readonly clock: Clock;
  private readonly timers: Timers;
  /** Least recent failure first. */
  private readonly addresses = new Map<string, Address>();
  /** Addresses with checks that wait, in their turn. */
  private readonly turns = new Deque<string>();
  private readonly waiting = new Map<string, Deque<Check>>();
  private waitingTotal = 0;
  private isChecking = false;

  constructor(clock: Clock, timers: Timers) {
    this.clock = clock;
    this.timers = timers;
  }

  /** Checks that wait. */
  get length(): number {
    return this.waitingTotal;
  }

  /** Addresses whose failures are remembered. */
  get addressCount(): number {
    return this.addresses.size;
  }

  /**
   * Runs `check` when it is the address's turn, and resolves with what it found; a failure is counted, and withheld for the longer the more there
   * were. `busy`: nothing was run.
   */
  async run(remoteAddress: string, check: () => Promise<boolean>): Promise<boolean | Overload> {
    if (this.isOverrun(remoteAddress)) return 'busy';
    const address = networkOf(remoteAddress);
    const isRight = await this.inTurn(address, check);
    if (isRight === 'busy') return 'busy';
    const delayMs = isRight ? this.delayOf(address) : this.failed(address);
    if (delayMs > 0) await this.withhold(address, delayMs);
    return isRight;
  }

  /** Whether so many verdicts are withheld for an address that no more is looked at. */
  isOverrun(remoteAddress: string): boolean {
    const known = this.addresses.get(networkOf(remoteAddress));
    return (known?.withheld ?? 0) >= limits.WITHHELD_PER_ADDRESS_MAX;
  }

  /** Counts the failure of a login that was checked elsewhere, and resolves when it may be told. */
  async withholdFailure(remoteAddress: string): Promise<void> {
    const address = networkOf(remoteAddress);
    const delayMs = this.failed(address);
    if (delayMs > 0) await this.withhold(address, delayMs);
  }

  private inTurn(address: string, check: () => Promise<boolean>): Promise<boolean | Overload> {
    const own = this.waiting.get(address);
    const isFull = (own?.length ?? 0) >= limits.LOGINS_WAITING_PER_ADDRESS_MAX;
    if (isFull || this.waitingTotal >= limits.LOGINS_WAITING_MAX) return Promise.resolve('busy');
    return new Promise((resolve, reject) => {
      const queue = own ?? new Deque<Check>();
      if (own === undefined) {
        this.waiting.set(address, queue);
        this.turns.pushBack(address);
      }
      queue.pushBack({ address, run: () => check().then(resolve, reject) });
      this.waitingTotal++;
      if (!this.isChecking) void this.work();
    });
  }

  /** One check at a time: the pool's threads are needed for files. */
  private async work(): Promise<void> {
    this.isChecking = true;
    for (let next = this.next(); next !== undefined; next = this.next()) await next.run();
    this.isChecking = false;
  }

  private next(): Check | undefined {
    const address = this.turns.popFront();
    if (address === undefined) return undefined;
    const queue = this.waiting.get(address);
    const check = queue?.popFront();
    if (queue === undefined || queue.length === 0) this.waiting.delete(address);
    else this.turns.pushBack(address);
    if (check !== undefined) this.waitingTotal--;
    return check;
  }

  /** Counts a failure. Returns for how long it is withheld. */
  private failed(address: string): number {
    const nowMs = this.clock.monotonicMs();
    const known = this.freshEntry(address, nowMs) ?? { failures: 0, lastFailureMs: nowMs, withheld: 0 };
    known.failures++;
    known.lastFailureMs = nowMs;
    // The last one to fail is the last one to be forgotten.
    this.addresses.delete(address);
    this.addresses.set(address, known);
    if (this.addresses.size > limits.ADDRESSES_KEPT) this.forgetOne();
    return delayAfter(known.failures);
  }

  private delayOf(address: string): number {
    return delayAfter(this.freshEntry(address, this.clock.monotonicMs())?.failures ?? 0);
  }

  /** What is known of an address, unless that was long ago. */
  private freshEntry(address: string, nowMs: number): Address | undefined {
    const known = this.addresses.get(address);
    if (known !== undefined && nowMs - known.lastFailureMs > limits.FAILURES_FORGOTTEN_MS) known.failures = 0;
    return known;
  }

  private forgetOne(): void {
    for (const oldest of this.addresses.keys()) {
      this.addresses.delete(oldest);
      return;
    }
  }

  private withhold(address: string, delayMs: number): Promise<void> {
    const known = this.addresses.get(address);
    if (known !== undefined) known.withheld++;
    return new Promise((resolve) => {
      this.timers
        .setTimeout(() => {
          if (known !== undefined) known.withheld--;
          resolve();
        }, delayMs)
        .unref();
    });
  }
}

function delayAfter(failures: number): number {
  const beyond = failures - limits.FAILURES_FREE;
  if (beyond <= 0) return 0;
  return Math.min(limits.FAILURE_DELAY_MAX_MS, limits.FAILURE_DELAY_MS * 2 ** Math.min(beyond - 1, 16));
}

/** One IPv6 user has a whole /64: his addresses count as one. */
function networkOf(address: string): string {
  if (!address.includes(':') || /^::ffff:/i.test(address)) return address;
  const [left = '', right] = address.split('::');
  const groups = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const middle =
    right === undefined ? [] : Array.from({ length: Math.max(0, 8 - groups.length - tail.length) }, () => '0');
  const all = [...groups, ...middle, ...tail];
  return all
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}

/** Logins that succeeded a moment ago, by a digest that nobody outside can make: the same again costs nothing. */
export class LoginCache {
  private readonly clock: Clock;
  private readonly until = new Map<string, number>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  has(digest: string): boolean {
    const untilMs = this.until.get(digest);
    return untilMs !== undefined && this.clock.monotonicMs() < untilMs;
  }

  add(digest: string): void {
    this.until.delete(digest);
    this.until.set(digest, this.clock.monotonicMs() + limits.LOGIN_CACHE_MS);
    if (this.until.size <= limits.LOGIN_CACHE_ENTRIES) return;
    for (const oldest of this.until.keys()) {
      this.until.delete(oldest);
      return;
    }
  }

  clear(): void {
    this.until.clear();
  }
}
