import { ClientError } from './errors.js';
import * as limits from './limits.js';
import type { TokenProvider } from './options.js';

/**
 * The token of a client: fetched before each connection where the program has said how, and renewed over the open one before it expires. When it expires
 * the node says; what is in it is between the issuer and the node.
 */
export class SessionToken {
  /** The one to greet with; empty = none. */
  token: string;
  private readonly provider: TokenProvider | undefined;
  /** Tells the node of a token; resolves with how long it counts, in milliseconds. */
  private readonly send: (token: string) => Promise<number>;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts connections: what was begun under an older one comes to nothing. */
  private generation = 0;

  constructor(token: string | TokenProvider, send: (token: string) => Promise<number>) {
    this.token = typeof token === 'string' ? token : '';
    this.provider = typeof token === 'string' ? undefined : token;
    this.send = send;
  }

  /** Whether there are more tokens where this one came from. */
  get canFetch(): boolean {
    return this.provider !== undefined;
  }

  /** Fetches the token of the next connection. Rejects with what the program's function throws. */
  async fetch(): Promise<void> {
    if (this.provider !== undefined) this.token = await this.provider();
  }

  /** There is a connection; its token counts for so long, in milliseconds, 0 = for ever. */
  opened(expiresInMs: number): void {
    this.generation++;
    this.schedule(expiresInMs);
  }

  /** The connection is gone. */
  closed(): void {
    this.generation++;
    clearTimeout(this.timer);
  }

  /** Goes on with another token. Rejects when the node does not take it. */
  async renew(token: string): Promise<void> {
    const { generation } = this;
    let expiresInMs = 0;
    try {
      expiresInMs = await this.send(token);
    } catch (error) {
      // The node has said nothing against it: the next connection begins with it.
      if (!(error instanceof ClientError) || error.code !== 'connection-lost') throw error;
    }
    this.token = token;
    if (generation === this.generation) this.schedule(expiresInMs);
  }

  private schedule(expiresInMs: number): void {
    clearTimeout(this.timer);
    if (this.provider === undefined || expiresInMs === 0) return;
    const leadMs = Math.min(Math.max(expiresInMs / 5, limits.RENEW_LEAD_MIN_MS), limits.RENEW_LEAD_MAX_MS);
    this.renewIn(Math.max(expiresInMs - leadMs, limits.RENEW_LEAD_MIN_MS));
  }

  private renewIn(delayMs: number): void {
    const { generation } = this;
    this.timer = setTimeout(
      () => {
        this.renewNow(generation).catch(() => {
          // Until the token expires there is time to try again; then the connection is lost, and made with a new one.
          if (generation === this.generation) this.renewIn(limits.RENEW_RETRY_MS);
        });
      },
      Math.min(delayMs, limits.TIMER_MAX_MS),
    );
  }

  private async renewNow(generation: number): Promise<void> {
    const token = await this.provider?.();
    if (token !== undefined && generation === this.generation) await this.renew(token);
  }
}
