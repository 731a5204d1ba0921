/**
 * The keys that tokens are checked with: read at the start, looked at again from time to time, and when somebody comes with a token by a key that is not
 * known. When they cannot be had, those before go on.
 */
import type { Clock, TimerHandle, Timers } from '../io/ports.js';
import { TokenKeysError } from '../io/tokens/errors.js';
import { readKeySet, readPemKey } from '../io/tokens/keys.js';
import type { TokenKey } from '../io/tokens/port.js';
import { ConfigError } from './config.js';
import type { NodeLog } from './log.js';
import type { TokenSources } from './token-settings.js';

/** Between two looks because of unknown keys, and until the first keys are there: whoever makes up names of keys must not have the issuer flooded. */
const RETRY_MS = 10_000;

/** See the top of this file. */
export class TokenKeyKeeper {
  /** What shards use now. */
  keys: readonly TokenKey[] = [];
  private readonly sources: TokenSources;
  private readonly log: NodeLog;
  private readonly timers: Timers;
  private readonly clock: Clock;
  private readonly changed: (keys: readonly TokenKey[]) => void;
  private timer: TimerHandle | undefined;
  private looking: Promise<boolean> | undefined;
  private lookedAtMs = Number.NEGATIVE_INFINITY;
  private isStopped = false;
  /** What was logged last: the same is not said again every five minutes. */
  private complaint = '';

  /** `changed` hears of new keys, never of the first. */
  constructor(
    sources: TokenSources,
    log: NodeLog,
    timers: Timers,
    clock: Clock,
    changed: (keys: readonly TokenKey[]) => void,
  ) {
    this.sources = sources;
    this.log = log;
    this.timers = timers;
    this.clock = clock;
    this.changed = changed;
  }

  /** Reads the keys. An address that does not answer is tried again later; a file without keys is a mistake. @throws ConfigError */
  async load(): Promise<void> {
    this.lookedAtMs = this.clock.monotonicMs();
    try {
      this.keys = await this.read();
    } catch (error) {
      if (!(error instanceof TokenKeysError)) throw error;
      if (!this.isRemote) throw new ConfigError('bad-setting', `Cannot start: ${error.message}`, error);
      this.complain(error);
    }
  }

  /** Looks at the keys from now on. */
  start(): void {
    const { refreshMs } = this.sources;
    const delayMs = this.keys.length === 0 ? Math.min(RETRY_MS, refreshMs) : refreshMs;
    this.timer = this.timers.setTimeout(() => {
      void this.look().then(() => {
        if (!this.isStopped) this.start();
      });
    }, delayMs);
    this.timer.unref();
  }

  stop(): void {
    this.isStopped = true;
    if (this.timer !== undefined) this.timers.clearTimeout(this.timer);
  }

  /** Looks now, unless that was a moment ago; whether the keys have changed since the last look. */
  refresh(): Promise<boolean> {
    if (this.looking !== undefined) return this.looking;
    const waitMs = Math.min(RETRY_MS, this.sources.refreshMs);
    if (this.clock.monotonicMs() - this.lookedAtMs < waitMs) return Promise.resolve(false);
    return this.look();
  }

  private get isRemote(): boolean {
    return /^https?:\/\//i.test(this.sources.keySet ?? '');
  }

  private look(): Promise<boolean> {
    this.looking ??= this.reload().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  /** Never rejects. */
  private async reload(): Promise<boolean> {
    this.lookedAtMs = this.clock.monotonicMs();
    try {
      const keys = await this.read();
      if (this.isStopped || JSON.stringify(keys) === JSON.stringify(this.keys)) return false;
      this.keys = keys;
      this.log.info({ keys: keys.map(({ kid = '' }) => kid) }, 'New keys are in use for tokens');
      this.changed(keys);
      return true;
    } catch (error) {
      this.complain(error);
      return false;
    }
  }

  private async read(): Promise<readonly TokenKey[]> {
    const { keySet, pemKey } = this.sources;
    const own = pemKey === undefined ? [] : [readPemKey(pemKey)];
    if (keySet === undefined) return own;
    const { keys, passedOver } = await readKeySet(keySet);
    this.complain(
      undefined,
      passedOver.length === 0 ? '' : `Keys of ${keySet} are passed over: ${passedOver.join('; ')}`,
    );
    return [...own, ...keys];
  }

  private complain(error: unknown, text = `Cannot read the keys of tokens: ${messageOf(error)}`): void {
    if (text === this.complaint) return;
    this.complaint = text;
    if (text === '') return;
    this.log.warn({}, error === undefined ? text : `${text}. ${this.keys.length} keys of before stay in use`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
