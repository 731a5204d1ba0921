import {
  isMainThread,
  MessageChannel,
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  type Transferable,
  Worker,
  workerData,
} from 'node:worker_threads';
import { assert } from '../base/assert.js';

/** One end of a conversation between two threads. Messages are copied (structured clone); shared memory in them stays shared. */
export interface ThreadPort<Incoming, Outgoing> {
  /** Sends a message; what is in `transfer` moves to the other side. */
  postMessage(message: Outgoing, transfer?: readonly Transferable[]): void;
  /** Sets who takes messages; those that came earlier are kept until then. To be called once. */
  onMessage(listener: (message: Incoming) => void): void;
  /** Hears no more messages, and lets the thread end when it has nothing else to do. */
  close(): void;
}

/** What a thread does. When it throws or rejects, the thread fails: `onError`, then `onExit` with code 1. */
export type ThreadRun<Setup, Incoming, Outgoing> = (
  setup: Setup,
  port: ThreadPort<Incoming, Outgoing>,
) => void | Promise<void>;

/** A program for a thread. */
export interface ThreadEntry<Setup, Incoming, Outgoing> {
  /** The compiled module to start a worker from. It calls `serveThread`. */
  readonly url: URL;
  /** The same program, for running it on the calling thread. */
  readonly run: ThreadRun<Setup, Incoming, Outgoing>;
}

/** How a thread is started. */
export interface SpawnOptions<Setup> {
  /** Shown by debuggers and in errors. */
  readonly name: string;
  /** Given to the program; copied, as messages are. */
  readonly setup: Setup;
  /** What moves to the thread out of `setup`. */
  readonly transfer?: readonly Transferable[];
  /** Bounds V8's young generation of the thread, in MiB: three semi-spaces, of which two are in use. V8 decides where it is absent. */
  readonly maxYoungGenerationMiB?: number;
}

/** A running thread as its parent sees it: `Incoming` is what the thread is sent. */
export interface ThreadHandle<Incoming, Outgoing> {
  readonly name: string;
  postMessage(message: Incoming, transfer?: readonly Transferable[]): void;
  /** Sets who takes the thread's messages. */
  onMessage(listener: (message: Outgoing) => void): void;
  /** Sets who hears that the thread has failed. */
  onError(listener: (error: Error) => void): void;
  /** Sets who hears that the thread has ended: 0 when it ended by itself, 1 after a failure or `terminate`. */
  onExit(listener: (code: number) => void): void;
  /**
   * Ends the thread wherever it is. A last resort: a thread that holds uWS handles must have closed them, or the process aborts. Resolves
   * with the exit code.
   */
  terminate(): Promise<number>;
}

/** Starts threads: as workers, or for `threads: 0` on the calling thread. */
export interface Threads {
  spawn<Setup, Incoming, Outgoing>(
    entry: ThreadEntry<Setup, Incoming, Outgoing>,
    options: SpawnOptions<Setup>,
  ): ThreadHandle<Incoming, Outgoing>;
}

/** The `workerData` of our workers. The address tells whether a module was started as a worker or only imported in one. */
interface WorkerSetup {
  readonly entry: string;
  readonly setup: unknown;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Starts real worker threads. */
export const workerThreads: Threads = {
  spawn<Setup, Incoming, Outgoing>(
    entry: ThreadEntry<Setup, Incoming, Outgoing>,
    options: SpawnOptions<Setup>,
  ): ThreadHandle<Incoming, Outgoing> {
    const workerSetup: WorkerSetup = { entry: entry.url.href, setup: options.setup };
    const worker = new Worker(entry.url, {
      name: options.name,
      workerData: workerSetup,
      transferList: [...(options.transfer ?? [])],
      resourceLimits:
        options.maxYoungGenerationMiB === undefined ? {} : { maxYoungGenerationSizeMb: options.maxYoungGenerationMiB },
    });
    return {
      name: options.name,
      postMessage: (message, transfer = []) => worker.postMessage(message, transfer),
      onMessage: (listener) => void worker.on('message', listener),
      onError: (listener) => void worker.on('error', (thrown) => listener(asError(thrown))),
      onExit: (listener) => void worker.on('exit', listener),
      terminate: () => worker.terminate(),
    };
  },
};

/**
 * Runs the program if the calling module was started as a worker by `workerThreads`; does nothing where it was only imported. Every entry module
 * ends with `serveThread(import.meta.url, run)`.
 */
export function serveThread<Setup, Incoming, Outgoing>(
  moduleUrl: string,
  run: ThreadRun<Setup, Incoming, Outgoing>,
): void {
  // What started this thread may be no worker of ours: then its data can be anything.
  const started = workerData as Partial<WorkerSetup> | null | undefined;
  if (isMainThread || started?.entry !== moduleUrl) return;
  assert(parentPort, 'A worker thread has no port to its parent');
  const port = parentPort;
  // The entry's type parameters tie the setup to what `spawn` was given.
  const outcome = run(started.setup as Setup, portOver<Incoming, Outgoing>(port));
  // Out of the promise, so that the failure ends the thread as any other uncaught error does.
  Promise.resolve(outcome).catch((thrown: unknown) => {
    setImmediate(() => {
      throw asError(thrown);
    });
  });
}

function portOver<Incoming, Outgoing>(port: MessagePort): ThreadPort<Incoming, Outgoing> {
  return {
    postMessage: (message, transfer = []) => port.postMessage(message, transfer),
    onMessage: (listener) => void port.on('message', listener),
    close: () => port.close(),
  };
}

/** The in-thread twin: programs run on the calling thread, and messages go through a real message channel, copied all the same. */
export const inThread: Threads = {
  spawn<Setup, Incoming, Outgoing>(
    entry: ThreadEntry<Setup, Incoming, Outgoing>,
    options: SpawnOptions<Setup>,
  ): ThreadHandle<Incoming, Outgoing> {
    const thread = new InThreadHandle<Incoming, Outgoing>(options.name);
    const setup = clone(options.setup, options.transfer ?? []);
    setImmediate(() => thread.run(() => entry.run(setup, thread.innerPort)));
    return thread;
  },
};

function clone<T>(value: T, transfer: readonly Transferable[]): T {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(value, transfer);
  // Posted above, in the same form.
  const received = receiveMessageOnPort(port2) as { message: T };
  port1.close();
  return received.message;
}

class InThreadHandle<Incoming, Outgoing> implements ThreadHandle<Incoming, Outgoing> {
  readonly name: string;
  readonly innerPort: ThreadPort<Incoming, Outgoing>;
  private readonly outer: MessagePort;
  private readonly inner: MessagePort;
  private readonly errorListeners: ((error: Error) => void)[] = [];
  private readonly exitListeners: ((code: number) => void)[] = [];
  private exitCode: number | undefined;

  constructor(name: string) {
    const { port1, port2 } = new MessageChannel();
    this.name = name;
    this.outer = port1;
    this.inner = port2;
    const plain = portOver<Incoming, Outgoing>(port2);
    this.innerPort = {
      postMessage: plain.postMessage,
      onMessage: (listener) => plain.onMessage((message) => this.run(() => listener(message))),
      close: () => this.exit(0),
    };
  }

  postMessage(message: Incoming, transfer: readonly Transferable[] = []): void {
    this.outer.postMessage(message, transfer);
  }

  onMessage(listener: (message: Outgoing) => void): void {
    this.outer.on('message', listener);
  }

  onError(listener: (error: Error) => void): void {
    this.errorListeners.push(listener);
  }

  onExit(listener: (code: number) => void): void {
    this.exitListeners.push(listener);
  }

  terminate(): Promise<number> {
    this.exit(1);
    return Promise.resolve(this.exitCode ?? 1);
  }

  /** Runs a piece of the program; when it fails, the thread does. */
  run(work: () => void | Promise<void>): void {
    if (this.exitCode !== undefined) return;
    try {
      Promise.resolve(work()).catch((thrown: unknown) => this.fail(thrown));
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  private fail(thrown: unknown): void {
    if (this.exitCode !== undefined) return;
    const error = asError(thrown);
    // As a worker without listeners does: an error that nobody hears ends the process.
    if (this.errorListeners.length === 0) {
      setImmediate(() => {
        throw error;
      });
    }
    for (const listener of this.errorListeners) listener(error);
    this.exit(1);
  }

  private exit(code: number): void {
    if (this.exitCode !== undefined) return;
    this.exitCode = code;
    // What was posted before the end still arrives at the parent: closing the inner port delivers it first.
    this.inner.close();
    this.outer.once('close', () => {
      for (const listener of this.exitListeners) listener(code);
    });
    this.outer.on('message', () => undefined);
  }
}
