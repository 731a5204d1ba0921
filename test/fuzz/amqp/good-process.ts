/** The director's end of the good client. */
import { Companion, type GoodReport, type NodeUnderAttack, type Times } from './roles.js';

/** Middles of the slices of one phase, in milliseconds. */
export interface Phase {
  readonly slices: number;
  readonly confirmP99: number;
  readonly deliverP99: number;
  readonly confirmP50: number;
  readonly deliverP50: number;
  /** The worst slice's p99. */
  readonly worst: number;
}

/** The good client, in a process of its own. */
export class GoodProcess {
  onViolation: (text: string) => void = () => {};
  private readonly companion: Companion<GoodReport>;
  private readonly waiters = new Map<GoodReport['kind'], (report: GoodReport) => void>();
  private isLost = false;

  constructor(node: NodeUnderAttack) {
    this.companion = new Companion('good', node);
    this.companion.onReport = (report) => {
      if (report.kind === 'violation') this.onViolation(report.text);
      else this.waiters.get(report.kind)?.(report);
    };
    this.companion.onLost = (code) => {
      this.isLost = true;
      this.onViolation(`The good client ended with ${code}`);
    };
  }

  get pid(): number {
    return this.companion.child.pid ?? 0;
  }

  private next<Kind extends GoodReport['kind']>(kind: Kind): Promise<GoodReport & { kind: Kind }> {
    // What a waiter gets has the kind that it was entered for.
    return new Promise((resolve) => this.waiters.set(kind, resolve as (report: GoodReport) => void));
  }

  async ready(): Promise<void> {
    await this.next('ready');
  }

  /** The times since it was asked before; undefined when the client is lost. */
  async slice(): Promise<Times | undefined> {
    if (this.isLost) return undefined;
    const answer = this.next('slice');
    this.companion.send('slice');
    return (await answer).times;
  }

  /** Ends it in good order. Returns how many messages it has published. */
  async finish(): Promise<number> {
    if (this.isLost) return 0;
    const answer = this.next('done');
    this.companion.send('finish');
    return (await answer).published;
  }

  stop(): Promise<void> {
    return this.companion.stop();
  }
}

function middle(values: number[]): number {
  const sorted = values.sort((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

/** The middle of the slices. */
export function phaseOf(slices: readonly Times[]): Phase {
  const of = (key: keyof Times): number => middle(slices.map((times) => times[key]));
  return {
    slices: slices.length,
    confirmP50: of('confirmP50'),
    confirmP99: of('confirmP99'),
    deliverP50: of('deliverP50'),
    deliverP99: of('deliverP99'),
    worst: Math.max(...slices.map(({ confirmP99, deliverP99 }) => Math.max(confirmP99, deliverP99))),
  };
}
