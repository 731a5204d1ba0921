import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 10;
const OUTPUT_KEPT = 20_000;

/** What a node is started with. */
export interface ChildOptions {
  readonly data: string;
  readonly shards: number;
  /** `dist/cli/main.js`. */
  readonly program: string;
}

/** A node in a process of its own. */
export class ChildNode {
  readonly port: number;
  private readonly process: ChildProcess;
  private readonly output: () => string;
  private readonly exited: Promise<void>;

  private constructor(process: ChildProcess, port: number, exited: Promise<void>, output: () => string) {
    this.process = process;
    this.port = port;
    this.exited = exited;
    this.output = output;
  }

  /** Resolves when the node says that it is ready. */
  static async start({ data, shards, program }: ChildOptions): Promise<ChildNode> {
    const nodeFile = join(data, 'node.json');
    // A killed node leaves it behind.
    rmSync(nodeFile, { force: true });
    const options = ['--data', data, '--port', '0', '--shards', `${shards}`, '--journal-size', '8MiB'];
    const child = spawn(process.execPath, [program, 'start', ...options, '--log-level', 'warn'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    const keep = (chunk: Buffer): void => {
      text = (text + chunk.toString()).slice(-OUTPUT_KEPT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      if (child.exitCode !== null || performance.now() > deadline) {
        child.kill('SIGKILL');
        throw new Error(`The node does not start:\n${text}`);
      }
      const port = existsSync(nodeFile) ? portIn(readFileSync(nodeFile, 'utf8')) : undefined;
      if (port !== undefined && (await isReady(port))) return new ChildNode(child, port, exited, () => text);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Whether it has ended by itself. */
  get hasDied(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** The end of what it has printed. */
  get printed(): string {
    return this.output();
  }

  /** `kill -9`; resolves when the process is gone. */
  kill(): Promise<void> {
    this.process.kill('SIGKILL');
    return this.exited;
  }

  /** An orderly stop. */
  stop(): Promise<void> {
    this.process.kill('SIGTERM');
    return this.exited;
  }
}

function portIn(text: string): number | undefined {
  try {
    const { port } = JSON.parse(text) as { port?: number };
    return port;
  } catch {
    // It is just being written.
    return undefined;
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200;
  } catch {
    return false;
  }
}
