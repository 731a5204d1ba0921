import type { Piscina } from 'piscina';

/** Settings of a pool. */
export interface BackgroundPoolOptions {
  /** The compiled module whose default export does one job. */
  readonly worker: URL;
  readonly maxThreads: number;
  /** Threads without work end after this time, in milliseconds. */
  readonly idleTimeoutMs: number;
}

/** Threads for heavy jobs that nobody waits for at once. None is started before the first job. */
export class BackgroundPool<Job, Result> {
  private readonly options: BackgroundPoolOptions;
  private pool: Promise<Piscina<Job, Result>> | undefined;

  constructor(options: BackgroundPoolOptions) {
    this.options = options;
  }

  /** Does one job on a thread of the pool. Job and result are copied. Rejects with what the worker throws. */
  async run(job: Job): Promise<Result> {
    this.pool ??= this.open();
    return (await this.pool).run(job);
  }

  /** Ends the threads; jobs under way are given up. */
  async close(): Promise<void> {
    const { pool } = this;
    this.pool = undefined;
    if (pool !== undefined) await (await pool).destroy();
  }

  private async open(): Promise<Piscina<Job, Result>> {
    // Loaded with the first job: a node that never cleans does not pay for it.
    const { Piscina: Pool } = await import('piscina');
    const { worker, maxThreads, idleTimeoutMs } = this.options;
    return new Pool<Job, Result>({ filename: worker.href, minThreads: 0, maxThreads, idleTimeout: idleTimeoutMs });
  }
}
