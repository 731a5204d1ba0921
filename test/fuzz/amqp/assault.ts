/** What every campaign is given, and what it says of itself. */
import type { Prng } from '../../../src/base/prng.js';
import type { Ledger } from '../ledger.js';
import type { NodeUnderAttack } from './roles.js';

/** The circumstances of one campaign. */
export interface Assault {
  readonly node: NodeUnderAttack;
  readonly prng: Prng;
  readonly ledger: Ledger;
  readonly seed: number;
  /** Everything once, and little of it. */
  readonly isBrief: boolean;
  /** For the campaign of random frames: how many, how many a second, and the one job that is run. */
  readonly frames: number;
  readonly rate: number;
  readonly job: number | undefined;
  /** Whether the campaign has lasted long enough; never true before the time is over. */
  readonly isOver: () => boolean;
  /** Adds a figure to the campaign's result. */
  readonly tell: (fact: string) => void;
}

/** One kind of abuse. */
export interface Campaign {
  readonly name: string;
  /** What is sent, how much of it, and what must come of it. */
  readonly about: string;
  /** By how much the node's resident memory may grow, in MiB. */
  readonly growthMib: number;
  /** Why the good client's times are only shown: the campaign asks for more than the machine can do, so somebody has to wait. */
  readonly saturates?: string;
  readonly run: (assault: Assault) => Promise<void>;
}

/** Lets through so many a second, however many ask. */
export class Pace {
  private readonly perSecond: number;
  private readonly startedMs = performance.now();
  private passed = 0;

  /** 0 a second: as many as come. */
  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  /** Resolves when `count` more may pass. */
  async pass(count = 1): Promise<void> {
    this.passed += count;
    if (this.perSecond === 0) return;
    const due = this.startedMs + (this.passed / this.perSecond) * 1000;
    if (due > performance.now()) await pause(due - performance.now());
  }
}

/** Resolves after so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until `holds` does. Returns whether it did in time. */
export async function waitFor(holds: () => boolean, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!holds() && performance.now() < deadline) await pause(20);
  return holds();
}

/** Which of many connections took the longest, from its beginning to its end. */
export class Slowest {
  private name = '';
  private ms = 0;

  note(name: string, ms: number): void {
    if (ms <= this.ms) return;
    this.name = name;
    this.ms = ms;
  }

  /** In words. */
  spell(): string {
    return `the longest connection took ${(this.ms / 1000).toFixed(2)} s: ${this.name}`;
  }
}
