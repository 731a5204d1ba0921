import type { DueTarget } from './due-times.js';
import type { EngineHost, EngineParts } from './parts.js';

/** When a queue ends by itself: with its last consumer (auto-delete), or when nobody has used it for a while (`x-expires`). */
export class QueueLife implements DueTarget {
  dueAtMs = Number.POSITIVE_INFINITY;
  private readonly parts: EngineParts;
  private readonly host: EngineHost;
  private readonly autoDelete: boolean;
  private expiresMs: number;
  private hadConsumers = false;
  private unusedSinceMs: number;
  private isOver = false;

  /** `expiresMs`: -1 = never. */
  constructor(autoDelete: boolean, expiresMs: number, parts: EngineParts, host: EngineHost) {
    this.autoDelete = autoDelete;
    this.expiresMs = expiresMs;
    this.parts = parts;
    this.host = host;
    this.unusedSinceMs = parts.clock.nowMs();
    this.used();
  }

  /** It was declared again, or asked for a message: the time begins anew. */
  used(): void {
    this.unusedSinceMs = this.parts.clock.nowMs();
    this.wait();
  }

  /** Another time, from now on; -1 = never. */
  changeExpiry(expiresMs: number): void {
    this.expiresMs = expiresMs;
    if (expiresMs < 0) this.parts.due.cancel(this);
    this.used();
  }

  /** Consumers came or went. */
  consumersChanged(): void {
    if (this.host.consumerCount > 0) {
      this.hadConsumers = true;
      return;
    }
    this.used();
    if (this.autoDelete && this.hadConsumers) this.end();
  }

  due(): void {
    if (this.host.consumerCount > 0) return;
    if (this.parts.clock.nowMs() - this.unusedSinceMs >= this.expiresMs) this.end();
    else this.wait();
  }

  private wait(): void {
    if (this.expiresMs >= 0 && !this.isOver) this.parts.due.at(this.unusedSinceMs + this.expiresMs, this);
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.host.deleteQueue();
  }
}
