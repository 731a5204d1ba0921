/**
 * The audit log: one line per denial and per administrative change, in a shape that programs can read. The same denial again within some seconds is
 * counted, and told once: who guesses passwords all day must not fill a disk, nor hide others' lines.
 */
import type { Clock, TimerHandle, Timers } from '../../io/ports.js';
import { AUDIT_LINES_MAX, AUDIT_WINDOW_MS } from './limits.js';
import type { DoorKind } from './requests.js';

/** One line. No passwords, tokens or hashes in it. */
export interface AuditLine {
  /** Who tried to come in; to enter a virtual host; to use something; to change who may do what. */
  readonly audit: 'login' | 'enter' | 'access' | 'change';
  readonly user: string;
  readonly address: string;
  readonly door: DoorKind;
  /** What was to be done: configure, write, read, or the kind of an AccessRequest. */
  readonly action: string;
  /** To what: `queue 'orders'`. */
  readonly resource: string;
  readonly vhost: string;
  readonly verdict: 'denied' | 'done' | 'refused';
  readonly reason: string;
}

/** Takes lines; `repeated` counts how often the same was told since the line before. */
export type AuditSink = (line: AuditLine, repeated: number) => void;

interface Repeats {
  readonly line: AuditLine;
  count: number;
}

/** The line that stands for all those that were too many different ones. */
const OTHERS: AuditLine = {
  audit: 'access',
  user: '',
  address: '',
  door: 'node',
  action: 'more',
  resource: 'other denials',
  vhost: '',
  verdict: 'denied',
  reason: 'too many different ones to be told apart',
};

/** Texts from outside are cut to this many characters. */
const TEXT_MAX = 300;

/** See the top of this file. */
export class AuditTrail {
  private readonly sink: AuditSink;
  private readonly clock: Clock;
  private readonly timers: Timers;
  private readonly known = new Map<string, Repeats>();
  private others = 0;
  private windowEndMs = 0;
  private timer: TimerHandle | undefined;

  constructor(sink: AuditSink, clock: Clock, timers: Timers) {
    this.sink = sink;
    this.clock = clock;
    this.timers = timers;
  }

  /** Tells a change: each one counts. */
  noteEach(line: AuditLine): void {
    this.sink(cut(line), 0);
  }

  /** Tells a denial, or counts it when it was told within the window. */
  note(line: AuditLine): void {
    this.openWindow();
    const told = cut(line);
    const key = Object.values(told).join('\n');
    const repeats = this.known.get(key);
    if (repeats !== undefined) {
      repeats.count++;
      return;
    }
    if (this.known.size >= AUDIT_LINES_MAX) {
      this.others++;
      return;
    }
    this.known.set(key, { line: told, count: 0 });
    this.sink(told, 0);
  }

  /** Tells what was only counted, and begins anew. */
  flush(): void {
    if (this.timer !== undefined) this.timers.clearTimeout(this.timer);
    this.timer = undefined;
    this.windowEndMs = 0;
    for (const { line, count } of this.known.values()) if (count > 0) this.sink(line, count);
    if (this.others > 0) this.sink(OTHERS, this.others);
    this.known.clear();
    this.others = 0;
  }

  private openWindow(): void {
    if (this.timer !== undefined && this.clock.monotonicMs() < this.windowEndMs) return;
    if (this.timer !== undefined) this.flush();
    this.windowEndMs = this.clock.monotonicMs() + AUDIT_WINDOW_MS;
    this.timer = this.timers.setTimeout(() => this.flush(), AUDIT_WINDOW_MS);
    this.timer.unref();
  }
}

function cut(line: AuditLine): AuditLine {
  const short = (text: string): string => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text);
  return {
    ...line,
    user: short(line.user),
    resource: short(line.resource),
    vhost: short(line.vhost),
    reason: short(line.reason),
  };
}
