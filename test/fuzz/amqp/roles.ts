/** The fuzzer is three processes: one that directs and measures, one that attacks, one that is a good client. What they say to each other. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { NodeAddress } from './stream.js';

/** What a process is for. */
export type Role = 'director' | 'attacker' | 'good';

/** A node, and its process. */
export interface NodeUnderAttack extends NodeAddress {
  readonly pid: number;
}

/** Percentiles of one slice of time, in milliseconds. */
export interface Times {
  readonly confirmP50: number;
  readonly confirmP99: number;
  readonly deliverP50: number;
  readonly deliverP99: number;
  /** Messages that were confirmed in the slice. */
  readonly confirmed: number;
}

/** What the good client reports. */
export type GoodReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'violation'; readonly text: string }
  | { readonly kind: 'slice'; readonly times: Times }
  | { readonly kind: 'done'; readonly published: number };
/** What the good client is told: to tell the times since it was asked before; to end. */
export type GoodOrder = 'slice' | 'finish';

/** One campaign, as the attacker is told. */
export interface AttackOrder {
  readonly campaign: string;
  readonly seed: number;
  /** A quick check: everything once. */
  readonly isBrief: boolean;
  /** Frames of the campaign `random`, and how many of them a second. */
  readonly frames: number;
  readonly rate: number;
  /** Only this job of `random`. */
  readonly job: number | undefined;
  /** How long campaigns last that have no end of their own, in milliseconds. */
  readonly lastMs: number;
}

/** What came of a campaign. */
export interface AttackReport {
  readonly campaign: string;
  readonly frames: number;
  readonly connections: number;
  readonly violations: readonly string[];
  /** One line per class of attack. */
  readonly table: string;
  /** Figures of its own. */
  readonly facts: readonly string[];
}

const ROLE = 'DUOLOG_FUZZ_ROLE';
const TARGET = 'DUOLOG_FUZZ_TARGET';

/** What this process is for. */
export function roleOfThisProcess(): Role {
  const role = process.env[ROLE];
  return role === 'attacker' || role === 'good' ? role : 'director';
}

/** The node that this process was started for. */
export function targetOfThisProcess(): NodeUnderAttack {
  return JSON.parse(process.env[TARGET] ?? '{}') as NodeUnderAttack;
}

/** Starts another process of this program. Its messages are `Report`s. */
export class Companion<Report> {
  onReport: (report: Report) => void = () => {};
  /** Gets the end of the process when nobody has asked for it. */
  onLost: (code: string) => void = () => {};
  readonly child: ChildProcess;
  private isStopping = false;

  constructor(role: Role, { port, amqpPort, pid }: NodeUnderAttack) {
    const target = JSON.stringify({ port, amqpPort, pid });
    this.child = fork(fileURLToPath(import.meta.url), [], { env: { ...process.env, [ROLE]: role, [TARGET]: target } });
    this.child.on('message', (report) => this.onReport(report as Report));
    this.child.once('exit', (code, signal) => {
      if (!this.isStopping) this.onLost(String(signal ?? code));
    });
  }

  send(order: GoodOrder | AttackOrder): void {
    if (this.child.connected) this.child.send(order);
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

/** Reports to the process that has started this one. */
export function report(what: GoodReport | AttackReport): void {
  process.send?.(what);
}
