/** Handling what may come twice only once. */

/** Where keys that have been handled are remembered. It may be shared by many programs; then its `add` decides. */
export interface OnceStore {
  /** Whether the key was handled before. */
  has(key: string): boolean | Promise<boolean>;
  /** Notes that the key has been handled. */
  add(key: string): void | Promise<void>;
}

/** How many keys a store in memory remembers, and how long. */
export interface MemoryOnceOptions {
  /** Default 100,000; the key that was noted or asked for longest ago goes first. */
  readonly maxKeys?: number;
  /** Default: for ever, as long as there is room; in milliseconds. */
  readonly windowMs?: number;
}

const DEFAULT_MAX_KEYS = 100_000;

/** Remembers keys in this process: bounded, and forgotten with it. */
export function memoryOnceStore(options: MemoryOnceOptions = {}): OnceStore {
  const { maxKeys = DEFAULT_MAX_KEYS, windowMs = Number.POSITIVE_INFINITY } = options;
  // A Map keeps the order of insertion: the first key is the one that nobody has asked for longest.
  const notedMs = new Map<string, number>();
  return {
    has(key) {
      const noted = notedMs.get(key);
      if (noted === undefined) return false;
      notedMs.delete(key);
      if (Date.now() - noted >= windowMs) return false;
      notedMs.set(key, noted);
      return true;
    },
    add(key) {
      notedMs.delete(key);
      notedMs.set(key, Date.now());
      if (notedMs.size <= maxKeys) return;
      const [oldest] = notedMs.keys();
      if (oldest !== undefined) notedMs.delete(oldest);
    },
  };
}

/** Runs `handler` unless `key` was handled before; resolves with whether it ran. */
export type Once = (key: string, handler: () => Promise<void> | void) => Promise<boolean>;

/**
 * Makes a `once(key, handler)`. As long as the store remembers a key, a handler that has succeeded is not run again for it; one that failed is. Two calls
 * for one key at the same time run one after the other. Between a handler's end and the store's note a crash may fall: then the handler runs again, so
 * an effect that must not happen twice notes the key itself, in the transaction that makes it, and the store's `add` finds it there.
 */
export function createOnce(store: OnceStore = memoryOnceStore()): Once {
  const running = new Map<string, Promise<void>>();
  const attempt = async (key: string, handler: () => Promise<void> | void): Promise<boolean> => {
    if (await store.has(key)) return false;
    await handler();
    await store.add(key);
    return true;
  };
  return async (key, handler) => {
    for (let other = running.get(key); other !== undefined; other = running.get(key)) await other;
    const attempted = attempt(key, handler);
    const ended = attempted.then(
      () => undefined,
      () => undefined,
    );
    running.set(key, ended);
    try {
      return await attempted;
    } finally {
      // Whoever waited has not run yet: its turn begins when this one has gone.
      if (running.get(key) === ended) running.delete(key);
    }
  };
}
