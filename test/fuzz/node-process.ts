import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { STOP_MS } from './limits.js';

/** Settings of the node, as `startNode` takes them. */
export type Settings = Readonly<Record<string, unknown>>;

const root = process.env['DUOLOG_ROOT'] ?? process.cwd();
/** pino's number for `error`. */
const ERROR_LEVEL = 50;

/** A node in a process of its own. */
export class NodeProcess {
  readonly child: ChildProcess;
  port = 0;
  amqpPort = 0;
  engine = '';
  /** Lines that say that something went wrong inside the node: errors in its log, and whatever it wrote to standard error. */
  readonly complaints: string[] = [];
  private rest = '';
  private readonly exit: Promise<string>;
  private announced: () => void = () => {};

  private constructor(settings: Settings, nodeFlags: readonly string[]) {
    const serve = join(root, 'test/fuzz/serve.mjs');
    this.child = spawn(process.execPath, [...nodeFlags, serve, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exit = once(this.child, 'exit').then(([code, signal]) => String(signal ?? code));
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.read(text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => this.complaints.push(text.trim()));
  }

  /** Starts a node and waits until it serves. @throws when it ends instead. */
  static async start(settings: Settings, nodeFlags: readonly string[] = []): Promise<NodeProcess> {
    const node = new NodeProcess({ host: '127.0.0.1', port: 0, ...settings }, nodeFlags);
    const serving = new Promise<undefined>((resolve) => {
      node.announced = () => resolve(undefined);
    });
    const ended = await Promise.race([serving, node.exit]);
    if (ended !== undefined) throw new Error(`The node ended with ${ended}: ${node.complaints.join('\n')}`);
    return node;
  }

  /** Whether the process lives. */
  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Where clients connect. */
  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  /** Resident memory in bytes; 0 when the process is gone. */
  rssBytes(): number {
    return this.statusBytes('VmRSS');
  }

  /** The most that was ever resident. */
  peakRssBytes(): number {
    return this.statusBytes('VmHWM');
  }

  /** Stops in good order. Returns the exit code, or the signal that ended it. */
  async stop(): Promise<string> {
    if (this.isAlive) this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    const code = await this.exit;
    clearTimeout(timer);
    return code;
  }

  private statusBytes(field: string): number {
    try {
      const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
      return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  private read(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.readLine(line);
  }

  private readLine(line: string): void {
    // The node's own lines and the announcement of serve.mjs, one JSON object each.
    const fields = JSON.parse(line) as { level?: number; serving?: number; amqpPort?: number; engine?: string };
    if (fields.serving !== undefined) {
      this.port = fields.serving;
      this.amqpPort = fields.amqpPort ?? 0;
      this.engine = fields.engine ?? '';
      this.announced();
    } else if ((fields.level ?? 0) >= ERROR_LEVEL || line.includes('BugError')) this.complaints.push(line);
  }
}
