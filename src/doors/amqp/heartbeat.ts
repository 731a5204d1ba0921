import type { TimerHandle, Timers } from '../../io/ports.js';

/** What a heartbeat looks at and does. */
export interface HeartbeatPeer {
  /** Whether something was sent since the last call. */
  takeSent(): boolean;
  /** Whether something came since the last call, or could not come because the node does not read. */
  takeReceived(): boolean;
  sendHeartbeat(): void;
  /** Nothing came for two intervals. */
  heartbeatMissed(): void;
}

/** Half intervals of silence after which a peer counts as gone (AMQP 0-9-1 §4.2.7: two intervals). */
const SILENT_TICKS = 4;

/** Heartbeats of one connection, both ways: a tick every half interval. */
export class Heartbeat {
  private readonly timers: Timers;
  private readonly peer: HeartbeatPeer;
  private readonly tickMs: number;
  private timer: TimerHandle | undefined;
  private silentTicks = 0;

  constructor(timers: Timers, intervalSeconds: number, peer: HeartbeatPeer) {
    this.timers = timers;
    this.peer = peer;
    this.tickMs = (intervalSeconds * 1000) / 2;
    this.arm();
  }

  private arm(): void {
    this.timer = this.timers.setTimeout(() => this.tick(), this.tickMs);
    this.timer.unref();
  }

  private tick(): void {
    this.arm();
    if (!this.peer.takeSent()) this.peer.sendHeartbeat();
    this.silentTicks = this.peer.takeReceived() ? 0 : this.silentTicks + 1;
    // The tick in which the last bytes came was not silent; four whole ones are two intervals.
    if (this.silentTicks >= SILENT_TICKS) this.peer.heartbeatMissed();
  }

  /** Ends it. */
  stop(): void {
    if (this.timer !== undefined) this.timers.clearTimeout(this.timer);
    this.timer = undefined;
  }
}
