import { COUNTED_EXCHANGES_MAX } from './limits.js';

/** What has happened at one exchange since the start; all are counts of messages. */
export interface ExchangeCounts {
  readonly vhost: string;
  readonly exchange: string;
  /** Published to the exchange itself by clients, held ones and dead letters included; what comes over a binding between exchanges is not. */
  published: number;
  /** Handed to topics and queues: a message that reaches three counts three times. */
  routed: number;
  /** Wanted by no topic or queue, after alternate exchanges. */
  unroutable: number;
}

/** Counts of every exchange that somebody publishes to. One per router; a count costs two comparisons where the exchange is the same as before. */
export class ExchangeCounters {
  private readonly byVhost = new Map<string, Map<string, ExchangeCounts>>();
  private count = 0;
  /** Of exchanges that came when the room was used up. */
  private readonly others = zero('', '(others)');
  private last = this.others;

  /** A message was published, and goes to `targets` topics and queues. */
  published(vhost: string, exchange: string, targets: number): void {
    const counts = this.of(vhost, exchange);
    counts.published++;
    if (targets === 0) counts.unroutable++;
    else counts.routed += targets;
  }

  /** A message was published, and is held. */
  held(vhost: string, exchange: string): void {
    this.of(vhost, exchange).published++;
  }

  /** The time of a held message has come, and it goes to `targets` topics and queues. */
  fired(vhost: string, exchange: string, targets: number): void {
    const counts = this.of(vhost, exchange);
    if (targets === 0) counts.unroutable++;
    else counts.routed += targets;
  }

  /** An exchange has gone, and its counts with it. */
  forget(vhost: string, exchange: string): void {
    const exchanges = this.byVhost.get(vhost);
    if (exchanges?.delete(exchange) !== true) return;
    this.count--;
    if (exchanges.size === 0) this.byVhost.delete(vhost);
    this.last = this.others;
  }

  /** The counts as they stand, to be read at once. */
  *all(): IterableIterator<ExchangeCounts> {
    for (const exchanges of this.byVhost.values()) yield* exchanges.values();
    if (this.others.published > 0) yield this.others;
  }

  private of(vhost: string, exchange: string): ExchangeCounts {
    const { last } = this;
    if (last.exchange === exchange && last.vhost === vhost) return last;
    this.last = this.find(vhost, exchange);
    return this.last;
  }

  private find(vhost: string, exchange: string): ExchangeCounts {
    let exchanges = this.byVhost.get(vhost);
    const known = exchanges?.get(exchange);
    if (known !== undefined) return known;
    if (this.count >= COUNTED_EXCHANGES_MAX) return this.others;
    if (exchanges === undefined) {
      exchanges = new Map();
      this.byVhost.set(vhost, exchanges);
    }
    const counts = zero(vhost, exchange);
    exchanges.set(exchange, counts);
    this.count++;
    return counts;
  }
}

function zero(vhost: string, exchange: string): ExchangeCounts {
  return { vhost, exchange, published: 0, routed: 0, unroutable: 0 };
}
