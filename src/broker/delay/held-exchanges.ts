/** How many messages a log holds for each exchange, and a number for each that the index can keep. */
import { exchangeKey } from './held-record.js';

/** An exchange for which messages are held. */
export interface HeldExchange {
  readonly id: number;
  readonly key: string;
  readonly vhost: string;
  held: number;
}

/** See the top of this file. */
export class HeldExchanges {
  private readonly byKey = new Map<string, HeldExchange>();
  private readonly byId = new Map<number, HeldExchange>();
  private nextId = 1;

  /** One message more. Returns the exchange's number, which is its own as long as anything is held for it. */
  add(vhost: string, exchange: string): number {
    const key = exchangeKey(vhost, exchange);
    let entry = this.byKey.get(key);
    if (entry === undefined) {
      entry = { id: this.nextId++, key, vhost, held: 0 };
      this.byKey.set(key, entry);
      this.byId.set(entry.id, entry);
    }
    entry.held++;
    return entry.id;
  }

  /** One message less. */
  remove(id: number): void {
    const entry = this.byId.get(id);
    if (entry === undefined || --entry.held > 0) return;
    this.byKey.delete(entry.key);
    this.byId.delete(id);
  }

  /** The exchange's number; 0 when nothing is held for it. */
  idOf(vhost: string, exchange: string): number {
    return this.byKey.get(exchangeKey(vhost, exchange))?.id ?? 0;
  }

  /** One exchange of a virtual host, or all that have something held. */
  select(vhost: string, exchange: string | undefined): HeldExchange[] {
    if (exchange === undefined) return [...this.byKey.values()].filter((entry) => entry.vhost === vhost);
    const entry = this.byKey.get(exchangeKey(vhost, exchange));
    return entry === undefined ? [] : [entry];
  }

  clear(): void {
    this.byKey.clear();
    this.byId.clear();
  }
}
